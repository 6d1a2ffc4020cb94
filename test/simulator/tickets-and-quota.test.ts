import { expect, test } from 'vitest'
import type { Simulator } from '../../simulator/index.js'
import {
  type Answer,
  TestClock,
  appId,
  appSecret,
  ask,
  classic,
  forced,
  post,
  stable,
  start,
} from './help.js'

async function ticket(simulator: Simulator, type: string): Promise<Answer> {
  const { accessToken } = await stable(simulator)
  return ask(`${simulator.url}/cgi-bin/ticket/getticket?access_token=${accessToken}&type=${type}`)
}

test('a ticket is cached by its own life, outlives its token, and tells its whole life each time', async () => {
  const clock = new TestClock()
  const simulator = await start({ now: clock.now })
  const first = await ticket(simulator, 'jsapi')
  expect(first.body).toMatchObject({ errcode: 0, errmsg: 'ok', expires_in: 7200 })
  simulator.revoke(appId)
  clock.forward(6899)
  const same = await ticket(simulator, 'jsapi')
  expect(same.body.ticket).toBe(first.body.ticket)
  expect(same.expiresIn).toBe(7200)
  clock.forward(1)
  expect((await ticket(simulator, 'jsapi')).body.ticket).not.toBe(first.body.ticket)
})

test('each type has its ticket, others are refused', async () => {
  const simulator = await start()
  const jsapi = await ticket(simulator, 'jsapi')
  const card = await ticket(simulator, 'wx_card')
  expect(card.body.ticket).toEqual(expect.any(String))
  expect(card.body.ticket).not.toBe(jsapi.body.ticket)
  expect((await ticket(simulator, 'other')).errcode).toBe(40097)
})

test('a ticket needs a token that works', async () => {
  const simulator = await start()
  const url = `${simulator.url}/cgi-bin/ticket/getticket?type=jsapi`
  expect((await ask(url)).errcode).toBe(41001)
  const { accessToken } = await stable(simulator)
  simulator.revoke(appId)
  expect((await ask(`${url}&access_token=${accessToken}`)).errcode).toBe(40001)
})

const v2 = (simulator: Simulator, secret = appSecret): Promise<Answer> =>
  post(`${simulator.url}/cgi-bin/clear_quota/v2`, { appid: appId, appsecret: secret })

test('clear_quota gives the day back, ten times a month with and without a token', async () => {
  const clock = new TestClock()
  const simulator = await start({ now: clock.now, dailyLimit: 1, stableDailyLimit: 2 })
  const { accessToken } = await classic(simulator)
  expect((await classic(simulator)).errcode).toBe(45009)
  expect((await v2(simulator)).body).toEqual({ errcode: 0, errmsg: 'ok' })
  expect((await classic(simulator)).errcode).toBeUndefined()
  const byToken = `${simulator.url}/cgi-bin/clear_quota?access_token=${accessToken}`
  for (let count = 0; count < 9; count += 1) expect((await post(byToken, {})).errcode).toBe(0)
  expect((await v2(simulator)).errcode).toBe(48006)
  clock.at = Date.UTC(2026, 2, 31, 15, 59, 59)
  expect((await v2(simulator)).errcode).toBe(48006)
  clock.forward(1)
  expect((await v2(simulator)).errcode).toBe(0)
})

test('clear_quota gives stable calls back, but no forced ones', async () => {
  const simulator = await start({ stableDailyLimit: 2, forcedDailyLimit: 1, forceFloor: 0 })
  await forced(simulator)
  expect((await forced(simulator)).errcode).toBe(45009)
  expect((await stable(simulator)).errcode).toBe(45009)
  await v2(simulator)
  expect((await stable(simulator)).errcode).toBeUndefined()
  expect((await forced(simulator)).errcode).toBe(45009)
})

test('clear_quota/v2 checks who asks', async () => {
  const simulator = await start()
  expect((await v2(simulator, 'wrong')).errcode).toBe(40125)
  expect((await ask(`${simulator.url}/cgi-bin/clear_quota/v2`)).errcode).toBe(43002)
  const inQuery = `${simulator.url}/cgi-bin/clear_quota/v2?appid=${appId}&appsecret=${appSecret}`
  expect((await post(inQuery, '')).errcode).toBe(0)
})
