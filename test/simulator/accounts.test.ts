import { expect, test } from 'vitest'
import { appId, appSecret, classic, stable, start, use } from './help.js'

test('an address off the list gets 40164, with the address in the words of WeChat', async () => {
  const simulator = await start({ accounts: [{ appId, appSecret, allowedIps: ['10.0.0.1'] }] })
  for (const call of [classic, stable]) {
    const answer = await call(simulator)
    expect(answer.errcode).toBe(40164)
    expect(answer.errmsg).toMatch(/^invalid ip 127\.0\.0\.1 ipv6 ::ffff:127\.0\.0\.1, not in whitelist rid: /)
  }
  expect(simulator.current(appId)).toEqual({})
})

test.each(['127.0.0.1', '::ffff:127.0.0.1'])('the list may hold the address as %s', async (address) => {
  const simulator = await start({ accounts: [{ appId, appSecret, allowedIps: [address] }] })
  expect((await stable(simulator)).errcode).toBeUndefined()
})

test('a frozen secret gets 40243', async () => {
  const simulator = await start({ accounts: [{ appId, appSecret, frozen: true }] })
  expect((await classic(simulator)).errcode).toBe(40243)
  expect((await stable(simulator)).errcode).toBe(40243)
})

test('a changed secret refuses the old one and leaves the tokens alone', async () => {
  const simulator = await start()
  const token = (await stable(simulator)).accessToken
  simulator.setSecret(appId, 'changed')
  expect((await stable(simulator)).errcode).toBe(40125)
  expect((await stable(simulator, { secret: 'changed' })).accessToken).toBe(token)
  expect(await use(simulator, token)).toBe(0)
  expect(simulator.options(appId).appSecret).toBe('changed')
})

test('accounts have nothing in common', async () => {
  const other = { appId: 'wx2', appSecret: 'two' }
  const simulator = await start({ accounts: [{ appId, appSecret }, other], dailyLimit: 1 })
  const token = (await classic(simulator)).accessToken
  const otherToken = (await classic(simulator, { appid: 'wx2', secret: 'two' })).accessToken
  simulator.revoke('wx2')
  expect(await use(simulator, token)).toBe(0)
  expect(await use(simulator, otherToken)).toBe(40001)
  expect((await classic(simulator, { secret: 'two' })).errcode).toBe(40001)
})
