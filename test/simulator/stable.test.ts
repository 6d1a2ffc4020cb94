import { describe, expect, test } from 'vitest'
import { TestClock, appId, ask, forced, post, stable, start, use } from './help.js'

describe('a normal call', () => {
  test('brings the same token with its remaining life until the last 5 minutes begin', async () => {
    const clock = new TestClock()
    const simulator = await start({ now: clock.now })
    const first = await stable(simulator)
    expect(first.expiresIn).toBe(7200)
    clock.forward(6899.5)
    const same = await stable(simulator)
    expect(same.accessToken).toBe(first.accessToken)
    expect(same.expiresIn).toBe(300)
    clock.forward(0.5)
    const fresh = await stable(simulator)
    expect(fresh.accessToken).not.toBe(first.accessToken)
    expect(fresh.expiresIn).toBe(7200)
  })

  test('that rotates leaves both tokens working for 5 minutes', async () => {
    const clock = new TestClock()
    const simulator = await start({ now: clock.now })
    const old = (await stable(simulator)).accessToken
    clock.forward(6900)
    const fresh = (await stable(simulator)).accessToken
    clock.forward(299.999)
    expect(await use(simulator, old)).toBe(0)
    clock.forward(0.001)
    expect(await use(simulator, old)).toBe(42001)
    expect(await use(simulator, fresh)).toBe(0)
  })

  test('after the expiry brings a new token', async () => {
    const clock = new TestClock()
    const simulator = await start({ now: clock.now, renewalWindow: 0 })
    const old = (await stable(simulator)).accessToken
    clock.forward(7200)
    expect((await stable(simulator)).accessToken).not.toBe(old)
  })

  test('tells short lives with fractions, never longer than they are', async () => {
    const clock = new TestClock()
    const simulator = await start({ now: clock.now, expiresIn: 1.5 })
    expect((await stable(simulator)).expiresIn).toBe(1.5)
    clock.forward(0.2505)
    expect((await stable(simulator)).expiresIn).toBe(1.249)
  })

  test('tells a long life in whole seconds, never longer than they are', async () => {
    const clock = new TestClock()
    const simulator = await start({ now: clock.now, expiresIn: 60 })
    await stable(simulator)
    clock.forward(0.001)
    expect((await stable(simulator)).expiresIn).toBe(59)
  })
})

describe('a forced call', () => {
  test('brings a new token at once and retires the old one', async () => {
    const simulator = await start()
    const old = (await stable(simulator)).accessToken
    const fresh = (await forced(simulator)).accessToken
    expect(fresh).not.toBe(old)
    expect(await use(simulator, old)).toBe(40001)
    expect((await stable(simulator)).accessToken).toBe(fresh)
  })

  test('can leave the old token its overlap; the second one is then sure to end it', async () => {
    const clock = new TestClock()
    const simulator = await start({ now: clock.now, forcedCallRetires: false })
    const old = (await stable(simulator)).accessToken
    await forced(simulator)
    expect(await use(simulator, old)).toBe(0)
    clock.forward(30)
    await forced(simulator)
    expect(await use(simulator, old)).toBe(40001)
  })

  test('less than 30 s after the last one does not refresh', async () => {
    const clock = new TestClock()
    const simulator = await start({ now: clock.now })
    const first = await forced(simulator)
    clock.forward(29.999)
    const floored = await forced(simulator)
    expect(floored.accessToken).toBe(first.accessToken)
    expect(floored.expiresIn).toBe(7170)
    clock.forward(0.001)
    expect((await forced(simulator)).accessToken).not.toBe(first.accessToken)
  })

  test('has 20 a day, floored ones not counted; then 45009, while normal calls go on', async () => {
    const clock = new TestClock()
    const simulator = await start({ now: clock.now })
    for (let count = 0; count < 20; count += 1) {
      expect((await forced(simulator)).errcode).toBeUndefined()
      expect((await forced(simulator)).errcode).toBeUndefined()
      clock.forward(30)
    }
    expect((await forced(simulator)).errcode).toBe(45009)
    expect((await stable(simulator)).errcode).toBeUndefined()
    clock.at = Date.UTC(2026, 2, 10, 16)
    expect((await forced(simulator)).errcode).toBeUndefined()
  })

  test('needs the boolean true', async () => {
    const simulator = await start()
    const old = (await stable(simulator)).accessToken
    const body = { ...simulatorCredentials(simulator.options(appId)), force_refresh: 'true' }
    expect((await post(`${simulator.url}/cgi-bin/stable_token`, body)).accessToken).toBe(old)
  })
})

test('a minute and a day have their limits', async () => {
  const clock = new TestClock()
  const simulator = await start({ now: clock.now, minuteLimit: 2, stableDailyLimit: 3 })
  const codes = async (): Promise<unknown[]> => [
    (await stable(simulator)).errcode,
    (await stable(simulator)).errcode,
    (await stable(simulator)).errcode,
  ]
  expect(await codes()).toEqual([undefined, undefined, 45011])
  clock.forward(60)
  expect(await codes()).toEqual([undefined, 45009, 45011])
})

test.each([
  ['an unknown AppID', { appid: 'wx2' }, 40013],
  ['a wrong secret', { secret: 'wrong' }, 40125],
  ['a wrong grant_type', { grant_type: 'refresh' }, 40002],
  ['no AppID', { appid: '' }, 41002],
  ['no secret', { secret: '' }, 41004],
])('%s is refused by its errcode', async (_, changed, errcode) => {
  const simulator = await start()
  expect((await stable(simulator, changed)).errcode).toBe(errcode)
})

test.each(['appid=wx1&secret=s', '', '[]', '"text"', '{'])(
  'a body %j that is no JSON object gets 41002',
  async (body) => {
    const simulator = await start()
    expect((await post(`${simulator.url}/cgi-bin/stable_token`, body)).errcode).toBe(41002)
  },
)

test('a GET is refused', async () => {
  const simulator = await start()
  expect((await ask(`${simulator.url}/cgi-bin/stable_token`)).errcode).toBe(43002)
})

const simulatorCredentials = (options: { appId: string; appSecret: string }): Record<string, string> => ({
  grant_type: 'client_credential',
  appid: options.appId,
  secret: options.appSecret,
})
