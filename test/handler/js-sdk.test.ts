import { once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { isRecord } from '../../simulator/checks.js'
import { JsapiTicket, jsSdkSignature } from '../../workers/handler/js-sdk.js'
import { WechatApi } from '../../workers/handler/wechat-api.js'
import { cleanUp } from '../support/cleanup.js'
import { APP_ID, APP_SECRET, simulator } from '../support/simulated.js'

afterEach(() => {
  vi.useRealTimers()
})

const EXAMPLE = {
  ticket: 'sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg',
  nonce: 'Wm3WZYTPz0wzccnW',
  timestamp: 1414587457,
  url: 'http://mp.weixin.qq.com?params=value',
}

test('the signature of WeChat’s worked example', () => {
  expect(jsSdkSignature(EXAMPLE)).toBe('0f9de62fce790f9a083d5c99e95740ceb90c27ed')
})

test('what follows a # is not signed', () => {
  expect(jsSdkSignature({ ...EXAMPLE, url: `${EXAMPLE.url}#top#2` })).toBe(jsSdkSignature(EXAMPLE))
})

/** A ticket of the simulator's, and how often it was asked for; the test sets the time. */
async function ticketAt(start: number) {
  vi.useFakeTimers({ toFake: ['Date'], now: start })
  const sim = await simulator()
  const answer: unknown = await (await fetch(`${sim.url}/cgi-bin/token?${TOKEN_QUERY}`)).json()
  const accessToken = isRecord(answer) ? String(answer.access_token) : ''
  const api = new WechatApi(sim.url)
  cleanUp(() => api.close())
  const ticket = new JsapiTicket(api)
  return {
    get: () => ticket.get(accessToken),
    asked: () => sim.counters().apiCalls,
    answered: () => once(sim, 'call'),
  }
}

const TOKEN_QUERY = new URLSearchParams({
  grant_type: 'client_credential',
  appid: APP_ID,
  secret: APP_SECRET,
}).toString()
const START = Date.UTC(2026, 0, 1)
const setTime = (seconds: number): unknown => vi.setSystemTime(START + seconds * 1_000)

test('many at once ask once; then it is cached', async () => {
  const { get, asked } = await ticketAt(START)
  const first = await Promise.all(Array.from({ length: 50 }, get))
  expect(new Set(first).size).toBe(1)
  setTime(5_000)
  expect(await get()).toBe(first[0])
  expect(asked()).toBe(1)
})

test('renewed ahead while the old one serves, and counted from the first answer that brought it', async () => {
  const { get, asked, answered } = await ticketAt(START)
  const ticket = await get()
  setTime(5_500)
  let answer = answered()
  expect(await get()).toBe(ticket)
  await answer // The same ticket, with its whole life again.
  setTime(7_100)
  answer = answered()
  while (asked() === 2) {
    expect(await get()).toBe(ticket)
    await nextTurn()
  }
  await answer
  while ((await get()) === ticket) await nextTurn()
  expect(asked()).toBe(3)
})
