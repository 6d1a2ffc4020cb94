import { expect, test } from 'vitest'
import { TestClock, appId, appSecret, ask, classic, post, stable, start, use } from './help.js'

test('every fetch brings a new token that looks like one, with its whole life', async () => {
  const simulator = await start()
  const first = await classic(simulator)
  const second = await classic(simulator)
  expect(first.accessToken).toMatch(/^[A-Za-z0-9_-]{136,157}$/)
  expect(second.accessToken).not.toBe(first.accessToken)
  expect(second.expiresIn).toBe(7200)
  expect(first.status).toBe(200)
  expect(first.headers.get('content-type')).toBe('application/json; encoding=utf-8')
})

test('a fetch retires the last token: both work for the overlap, then only the new one', async () => {
  const clock = new TestClock()
  const simulator = await start({ now: clock.now })
  const old = (await classic(simulator)).accessToken
  clock.forward(1000)
  const fresh = (await classic(simulator)).accessToken
  clock.forward(299.999)
  expect(await use(simulator, old)).toBe(0)
  clock.forward(0.001)
  expect(await use(simulator, old)).toBe(40001)
  expect(await use(simulator, fresh)).toBe(0)
})

test('two work at the same time, never three', async () => {
  const simulator = await start()
  const [first, second, third] = [
    await classic(simulator),
    await classic(simulator),
    await classic(simulator),
  ]
  expect(await use(simulator, first.accessToken)).toBe(40001)
  expect(await use(simulator, second.accessToken)).toBe(0)
  expect(await use(simulator, third.accessToken)).toBe(0)
})

test('the overlap does not lengthen a life', async () => {
  const clock = new TestClock()
  const simulator = await start({ now: clock.now })
  const old = (await classic(simulator)).accessToken
  clock.forward(7100)
  await classic(simulator)
  clock.forward(100)
  expect(await use(simulator, old)).toBe(42001)
})

test('an expired token is told from a retired one', async () => {
  const clock = new TestClock()
  const simulator = await start({ now: clock.now })
  const token = (await classic(simulator)).accessToken
  clock.forward(7199.999)
  expect(await use(simulator, token)).toBe(0)
  clock.forward(0.001)
  expect(await use(simulator, token)).toBe(42001)
})

test('classic and stable tokens do not touch each other', async () => {
  const simulator = await start()
  const stableToken = (await stable(simulator)).accessToken
  const classicToken = (await classic(simulator)).accessToken
  await classic(simulator)
  expect((await stable(simulator)).accessToken).toBe(stableToken)
  expect(await use(simulator, stableToken)).toBe(0)
  simulator.rotate(appId, 'stable')
  simulator.rotate(appId, 'stable')
  expect(await use(simulator, stableToken)).toBe(40001)
  expect(await use(simulator, classicToken)).toBe(0)
})

test.each([
  ['of 2000', {}, 2000],
  ['of 200 for a test account', { testAccount: true }, 200],
])('the day ends after a limit %s, and turns at midnight UTC+8', async (_, account, limit) => {
  const clock = new TestClock()
  clock.at = Date.UTC(2026, 2, 10, 15, 59, 0)
  const simulator = await start({ now: clock.now, accounts: [{ appId, appSecret, ...account }] })
  for (let count = 0; count < limit; count += 1) expect((await classic(simulator)).errcode).toBeUndefined()
  expect((await classic(simulator)).errcode).toBe(45009)
  clock.forward(59.999)
  expect((await classic(simulator)).errcode).toBe(45009)
  expect((await stable(simulator)).errcode).toBeUndefined()
  clock.forward(0.001)
  expect((await classic(simulator)).errcode).toBeUndefined()
})

test('a refused call costs nothing of the day', async () => {
  const simulator = await start({ dailyLimit: 1 })
  await classic(simulator, { secret: 'wrong' })
  expect((await classic(simulator)).errcode).toBeUndefined()
})

test.each([
  ['an unknown AppID', { appid: 'wx2' }, 40013],
  ['a wrong secret', { secret: 'wrong' }, 40001],
  ['a wrong grant_type', { grant_type: 'authorization_code' }, 40002],
  ['no AppID', { appid: '' }, 41002],
  ['no secret', { secret: '' }, 41004],
])('%s is refused by its errcode, with status 200 and a request id', async (_, changed, errcode) => {
  const simulator = await start()
  const answer = await classic(simulator, changed)
  expect(answer.errcode).toBe(errcode)
  expect(answer.status).toBe(200)
  expect(answer.errmsg).toMatch(/ rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$/)
  expect(answer.body).not.toHaveProperty('access_token')
})

test('a POST is refused', async () => {
  const simulator = await start()
  expect((await post(`${simulator.url}/cgi-bin/token`, {})).errcode).toBe(43001)
  expect((await ask(`${simulator.url}/cgi-bin/token`)).errcode).toBe(41002)
})
