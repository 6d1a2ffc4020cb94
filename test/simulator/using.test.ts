import { describe, expect, test } from 'vitest'
import { TestClock, appId, appSecret, ask, classic, post, stable, start, use } from './help.js'

describe('a call that uses a token', () => {
  test('is answered when the token works', async () => {
    const simulator = await start()
    const { accessToken } = await stable(simulator)
    const callback = await ask(`${simulator.url}/cgi-bin/getcallbackip?access_token=${accessToken}`)
    expect(callback.body).toEqual({ ip_list: ['127.0.0.1'] })
    const send = `${simulator.url}/cgi-bin/message/custom/send?access_token=${accessToken}`
    expect((await post(send, { touser: 'x' })).body).toEqual({ errcode: 0, errmsg: 'ok' })
  })

  test.each([
    ['none', '', 41001],
    ['an unknown one', `66_${'a'.repeat(140)}`, 40001],
    ['a truncated one', `66_${'a'.repeat(60)}`, 40014],
    ['one with other characters', `66_${'a'.repeat(140)}%2B`, 40014],
  ])('is refused with %s', async (_, accessToken, errcode) => {
    const simulator = await start()
    expect(await use(simulator, accessToken)).toBe(errcode)
    expect((await ask(`${simulator.url}/cgi-bin/user/get`)).errcode).toBe(41001)
  })

  test('of another path than WeChat has is not found', async () => {
    const simulator = await start()
    expect((await ask(`${simulator.url}/elsewhere`)).status).toBe(404)
  })
})

describe('what others do to a token', () => {
  test('rotate: a new one is live, the old one has its overlap', async () => {
    const clock = new TestClock()
    const simulator = await start({ now: clock.now })
    const old = (await stable(simulator)).accessToken
    simulator.rotate(appId)
    const fresh = simulator.current(appId).stable?.accessToken ?? ''
    expect(fresh).not.toBe(old)
    expect(simulator.current(appId).classic).toBeUndefined()
    expect(await use(simulator, old)).toBe(0)
    clock.forward(300)
    expect(await use(simulator, old)).toBe(40001)
    expect((await stable(simulator)).accessToken).toBe(fresh)
  })

  test('rotate takes both kinds that there are, and stable when there is none', async () => {
    const simulator = await start()
    simulator.rotate(appId)
    expect(Object.keys(simulator.current(appId))).toEqual(['stable'])
    await classic(simulator)
    const before = simulator.current(appId)
    simulator.rotate(appId)
    const after = simulator.current(appId)
    expect(after.classic?.accessToken).not.toBe(before.classic?.accessToken)
    expect(after.stable?.accessToken).not.toBe(before.stable?.accessToken)
  })

  test('rotate is no call of ours: no counter and no daily limit notices', async () => {
    const simulator = await start({ dailyLimit: 1 })
    simulator.rotate(appId, 'classic')
    expect(simulator.counters().issued).toBe(0)
    expect((await classic(simulator)).errcode).toBeUndefined()
  })

  test('revoke: refused from now on, and the next normal call heals', async () => {
    const simulator = await start()
    const old = (await stable(simulator)).accessToken
    simulator.revoke(appId)
    expect(await use(simulator, old)).toBe(40001)
    expect(simulator.current(appId)).toEqual({})
    const fresh = (await stable(simulator)).accessToken
    expect(fresh).not.toBe(old)
    expect(await use(simulator, fresh)).toBe(0)
  })

  test('revoke of one kind leaves the other', async () => {
    const simulator = await start()
    await stable(simulator)
    await classic(simulator)
    simulator.revoke(appId, 'classic')
    expect(Object.keys(simulator.current(appId))).toEqual(['stable'])
  })

  test('refuse: refused, but a normal call still brings it; only a forced one heals', async () => {
    const simulator = await start()
    const old = (await stable(simulator)).accessToken
    simulator.refuse(old)
    expect(await use(simulator, old)).toBe(40001)
    expect((await stable(simulator)).accessToken).toBe(old)
    const body = { grant_type: 'client_credential', appid: appId, secret: appSecret, force_refresh: true }
    const healed = (await post(`${simulator.url}/cgi-bin/stable_token`, body)).accessToken
    expect(await use(simulator, healed)).toBe(0)
  })

  test('refuse of a token from elsewhere is a mistake, told without the token', async () => {
    const simulator = await start()
    expect(() => simulator.refuse('foreign')).toThrow('accessToken is none that this simulator gave out')
  })
})

test('current tells the live tokens and when they expire', async () => {
  const clock = new TestClock()
  const simulator = await start({ now: clock.now, renewalWindow: 1 })
  const { accessToken } = await stable(simulator)
  expect(simulator.current(appId)).toEqual({ stable: { accessToken, expiresAt: clock.at + 7_200_000 } })
  clock.forward(7200)
  expect(simulator.current(appId)).toEqual({})
})

test('setExpiresIn holds for tokens issued from then on, and what goes with a life shrinks with it', async () => {
  const clock = new TestClock()
  const simulator = await start({ now: clock.now })
  const old = (await stable(simulator)).accessToken
  simulator.setExpiresIn(2)
  expect((await stable(simulator)).accessToken).toBe(old)
  simulator.revoke(appId)
  expect((await stable(simulator)).expiresIn).toBe(2)
  const short = simulator.current(appId).stable?.accessToken
  clock.forward(1.9)
  expect((await stable(simulator)).accessToken).toBe(short)
  clock.forward(0.02)
  expect((await stable(simulator)).accessToken).not.toBe(short)
})
