import { once } from 'node:events'
import { expect, test } from 'vitest'
import { startSimulator } from '../../simulator/index.js'
import {
  TestClock,
  appId,
  appSecret,
  ask,
  classic,
  containing,
  forced,
  post,
  stable,
  start,
  use,
} from './help.js'

const causeOf = (error: unknown): unknown => (error instanceof Error ? error.cause : undefined)

test('counters tell each thing apart, at each account and in sum', async () => {
  const simulator = await start({
    accounts: [
      { appId, appSecret },
      { appId: 'wx2', appSecret: 'two' },
    ],
  })
  const { accessToken } = await stable(simulator)
  await stable(simulator)
  await classic(simulator)
  await classic(simulator, { secret: 'wrong' })
  await stable(simulator, { appid: 'wx2', secret: 'two' })
  await stable(simulator, { appid: 'unknown' })
  await use(simulator, accessToken)
  await use(simulator, 'malformed')
  simulator.inject({ times: 1, then: { errcode: -1 } })
  await forced(simulator)
  expect(simulator.counters(appId)).toEqual({
    ...{ tokenCalls: 5, issued: 2, unchanged: 1, forced: 1, refusedCalls: 2 },
    ...{ apiCalls: 1, apiRefused: 0, faults: 1 },
    classic: { calls: 2, issued: 1, unchanged: 0, refused: 1 },
    stable: { calls: 3, issued: 1, unchanged: 1, refused: 1 },
  })
  expect(simulator.counters('wx2')).toMatchObject({ tokenCalls: 1, issued: 1, apiCalls: 0, faults: 0 })
  expect(simulator.counters()).toMatchObject({
    tokenCalls: 7,
    issued: 3,
    refusedCalls: 3,
    apiCalls: 2,
    apiRefused: 1,
  })
})

test('counters are a copy', async () => {
  const simulator = await start()
  simulator.counters().stable.calls = 9
  expect(simulator.counters().stable.calls).toBe(0)
})

test('each request has one event when it comes and one when it is over, without its query', async () => {
  const clock = new TestClock()
  const simulator = await start({ now: clock.now })
  const requests: unknown[] = []
  const calls: unknown[] = []
  simulator.on('request', (request) => requests.push(request))
  simulator.on('call', (call) => calls.push(call))
  const { accessToken } = await classic(simulator)
  await forced(simulator)
  await stable(simulator)
  await stable(simulator, { appid: 'wx9' })
  await use(simulator, accessToken)
  await ask(`${simulator.url}/cgi-bin/ticket/getticket?access_token=${accessToken}&type=jsapi`)
  await post(`${simulator.url}/cgi-bin/clear_quota?access_token=${accessToken}`, {})
  await ask(`${simulator.url}/_control/counters`)
  const at = clock.at
  const base = { appId, forced: false, at }
  const expected = [
    { ...base, kind: 'token', path: '/cgi-bin/token', outcome: 'issued' },
    { ...base, kind: 'stable_token', path: '/cgi-bin/stable_token', forced: true, outcome: 'issued' },
    { ...base, kind: 'stable_token', path: '/cgi-bin/stable_token', outcome: 'unchanged' },
    {
      ...base,
      kind: 'stable_token',
      path: '/cgi-bin/stable_token',
      appId: 'wx9',
      outcome: 'refused',
      errcode: 40013,
    },
    { ...base, kind: 'api', path: '/cgi-bin/user/get', outcome: 'ok' },
    { ...base, kind: 'ticket', path: '/cgi-bin/ticket/getticket', outcome: 'ok' },
    { ...base, kind: 'quota', path: '/cgi-bin/clear_quota', outcome: 'ok' },
  ]
  expect(calls).toEqual(expected)
  expect(requests).toEqual(
    expected.map(({ kind, path, appId, forced }) => ({ kind, path, appId, forced, at })),
  )
})

test('an injected errcode is an event of its own', async () => {
  const simulator = await start()
  simulator.inject({ then: { errcode: 45009 } })
  const finished = once(simulator, 'call')
  await stable(simulator)
  expect(await finished).toMatchObject([{ outcome: 'faulted', errcode: 45009 }])
})

test('gzip: each answer is gzipped, asked or not, refusals too', async () => {
  const simulator = await start({ gzip: true })
  const headers = { 'accept-encoding': 'identity' }
  for (const path of ['/cgi-bin/token', '/cgi-bin/getcallbackip']) {
    const answer = await ask(`${simulator.url}${path}`, { headers })
    expect(answer.headers.get('content-encoding')).toBe('gzip')
    expect(answer.errcode).toBeGreaterThan(0)
  }
  expect((await stable(simulator)).headers.get('content-encoding')).toBe('gzip')
  simulator.inject({ then: { errcode: -1 } })
  expect((await stable(simulator)).headers.get('content-encoding')).toBe('gzip')
})

test('down: open connections end, new ones are refused; up: the same port, the same tokens', async () => {
  const simulator = await start()
  const { accessToken } = await stable(simulator)
  const hold = simulator.inject({ hold: true, times: 1 })
  const cut = stable(simulator)
  await hold.held()
  simulator.down()
  await expect(cut).rejects.toThrow('fetch failed')
  const error: unknown = await fetch(simulator.url).catch((reason: unknown) => reason)
  expect(causeOf(error)).toMatchObject({ code: 'ECONNREFUSED' })
  simulator.down()
  await simulator.up()
  await simulator.up()
  expect((await stable(simulator)).accessToken).toBe(accessToken)
})

test('close ends held, silent and endless answers, and may be called twice', async () => {
  const simulator = await start()
  const hold = simulator.inject({ on: 'api', hold: true })
  simulator.inject({ times: 1, then: 'silent' })
  simulator.inject({ times: 1, then: 'endless' })
  const held = ask(`${simulator.url}/cgi-bin/user/get`)
  await hold.held()
  const arrived = once(simulator, 'request')
  const silent = fetch(`${simulator.url}/cgi-bin/token`)
  await arrived
  const endless = await fetch(`${simulator.url}/cgi-bin/token`)
  await Promise.all([
    expect(held).rejects.toThrow('fetch failed'),
    expect(silent).rejects.toThrow('fetch failed'),
    expect(endless.text()).rejects.toThrow('terminated'),
    simulator.close(),
  ])
  await simulator.close()
})

test('it is an AsyncDisposable', async () => {
  const simulator = await start()
  await simulator[Symbol.asyncDispose]()
  await expect(fetch(simulator.url)).rejects.toThrow('fetch failed')
})

test('a port in use is told', async () => {
  const { url } = await start()
  const port = Number(new URL(url).port)
  const second = startSimulator({ accounts: [{ appId, appSecret }], port })
  await expect(second).rejects.toMatchObject({
    code: 'EADDRINUSE',
    message: containing(`${port} is in use`),
  })
})

test('localhost is a host', async () => {
  const simulator = await start({ host: 'localhost' })
  expect(simulator.url).toMatch(/^http:\/\/localhost:\d+$/)
  expect((await stable(simulator)).errcode).toBeUndefined()
})
