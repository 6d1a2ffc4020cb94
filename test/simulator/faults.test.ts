import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { SimulatorInputError } from '../../simulator/index.js'
import { TestClock, appId, appSecret, classic, containing, stable, start, use } from './help.js'

const other = { appId: 'wx2', appSecret: 'two' }

describe('what a fault strikes', () => {
  test('both token calls unless told otherwise, until it is removed', async () => {
    const simulator = await start()
    const { accessToken } = await stable(simulator)
    const fault = simulator.inject({ then: { errcode: -1 } })
    expect((await stable(simulator)).errcode).toBe(-1)
    expect((await classic(simulator)).errcode).toBe(-1)
    expect(await use(simulator, accessToken)).toBe(0)
    expect(fault.count).toBe(2)
    fault.remove()
    expect((await stable(simulator)).accessToken).toBe(accessToken)
    expect(fault.count).toBe(2)
  })

  test('calls that use a token, or all', async () => {
    const simulator = await start()
    const { accessToken } = await stable(simulator)
    const onApi = simulator.inject({ on: 'api', then: { errcode: 40001 } })
    expect((await stable(simulator)).errcode).toBeUndefined()
    expect(await use(simulator, accessToken)).toBe(40001)
    onApi.remove()
    simulator.inject({ on: 'all', then: { errcode: -1 } })
    expect((await stable(simulator)).errcode).toBe(-1)
    expect(await use(simulator, accessToken)).toBe(-1)
  })

  test('one account: token calls by their AppID, API calls by their token', async () => {
    const simulator = await start({ accounts: [{ appId, appSecret }, other] })
    const mine = (await stable(simulator)).accessToken
    const others = (await stable(simulator, { appid: 'wx2', secret: 'two' })).accessToken
    simulator.inject({ on: 'all', appId: 'wx2', then: { errcode: 45009 } })
    expect((await classic(simulator)).errcode).toBeUndefined()
    expect((await classic(simulator, { appid: 'wx2', secret: 'two' })).errcode).toBe(45009)
    expect((await stable(simulator, { appid: 'wx2', secret: 'two' })).errcode).toBe(45009)
    expect(await use(simulator, mine)).toBe(0)
    expect(await use(simulator, others)).toBe(45009)
  })

  test('so many times; faults that answer come one after the other', async () => {
    const simulator = await start()
    const first = simulator.inject({ times: 2, then: { errcode: -1 } })
    simulator.inject({ times: 1, then: { errcode: 45011 } })
    const codes: unknown[] = []
    for (let count = 0; count < 4; count += 1) codes.push((await stable(simulator)).errcode)
    expect(codes).toEqual([-1, -1, 45011, undefined])
    expect(first.count).toBe(2)
  })

  test('a lasting delay and an errcode go together', async () => {
    const simulator = await start()
    const delay = simulator.inject({ delay: 1 })
    simulator.inject({ times: 1, then: { errcode: -1 } })
    expect((await stable(simulator)).errcode).toBe(-1)
    expect((await stable(simulator)).errcode).toBeUndefined()
    expect(delay.count).toBe(2)
    expect(simulator.counters().faults).toBe(2)
  })
})

describe('a held request', () => {
  test('is answered after the release, by the state after it', async () => {
    const simulator = await start()
    const old = (await stable(simulator)).accessToken
    const hold = simulator.inject({ hold: true })
    const answer = stable(simulator)
    await hold.held()
    simulator.rotate(appId)
    hold.release()
    expect((await answer).accessToken).not.toBe(old)
  })

  test('waits with the others, and held tells when there are so many', async () => {
    const simulator = await start()
    const hold = simulator.inject({ hold: true })
    const three = hold.held(3)
    const answers = [stable(simulator), stable(simulator), stable(simulator)]
    await three
    expect(simulator.counters()).toMatchObject({ tokenCalls: 3, issued: 0, unchanged: 0 })
    hold.release()
    await Promise.all(answers)
    expect(simulator.counters()).toMatchObject({ tokenCalls: 3, issued: 1, unchanged: 2 })
  })

  test('goes on when the fault is removed; release alone holds the next one again', async () => {
    const simulator = await start()
    const hold = simulator.inject({ hold: true })
    const first = stable(simulator)
    await hold.held()
    hold.release()
    await first
    const second = stable(simulator)
    await hold.held()
    hold.remove()
    await second
    await stable(simulator)
    expect(hold.count).toBe(2)
  })

  test('may be answered wrong after the release', async () => {
    const simulator = await start()
    const hold = simulator.inject({ hold: true, times: 1, then: { errcode: 40125 } })
    const answer = stable(simulator)
    await hold.held()
    hold.release()
    expect((await answer).errcode).toBe(40125)
  })

  test('whose client leaves is over, and issues no token', async () => {
    const simulator = await start()
    const hold = simulator.inject({ hold: true })
    const leave = new AbortController()
    const { appSecret: secret } = simulator.options(appId)
    const url = `${simulator.url}/cgi-bin/token?grant_type=client_credential&appid=${appId}&secret=${secret}`
    const answer = fetch(url, { signal: leave.signal })
    answer.catch(() => undefined)
    await hold.held()
    const finished = once(simulator, 'call')
    leave.abort()
    expect(await finished).toMatchObject([{ kind: 'token', appId, outcome: 'faulted' }])
    hold.release()
    expect(simulator.counters()).toMatchObject({ issued: 0, faults: 1 })
    const next = stable(simulator)
    await hold.held(1)
    hold.remove()
    expect((await next).errcode).toBeUndefined()
  })
})

test('a delayed request is not looked at before: a client that leaves gets no token', async () => {
  const simulator = await start()
  simulator.inject({ delay: 3_600_000 })
  const leave = new AbortController()
  const arrived = once(simulator, 'request')
  const finished = once(simulator, 'call')
  const answer = fetch(`${simulator.url}/cgi-bin/token`, { signal: leave.signal })
  answer.catch(() => undefined)
  await arrived
  leave.abort()
  expect(await finished).toMatchObject([{ outcome: 'faulted' }])
})

test.each([
  ['a misspelt field', { error: 1 }, 'error is not known in'],
  ['an unknown target', { on: 'tokens' }, 'on must be one of token, api, all'],
  ['an unknown answer', { then: 'rest' }, 'then must be one of reset, half-body'],
  ['no times', { times: 0 }, 'times must be a number from 1'],
  ['a broken errcode', { then: { errcode: 'x' } }, 'then.errcode must be a number'],
  ['a broken status', { then: { status: 7, body: '' } }, 'then.status must be a number from 200'],
  ['a broken header', { then: { headers: { a: 1 }, body: '' } }, 'then.headers.a must be a string'],
])('%s is told', async (_, fault, message) => {
  const simulator = await start()
  // By way of JSON: in TypeScript these don't compile.
  const response = await fetch(`${simulator.url}/_control/inject`, {
    method: 'POST',
    body: JSON.stringify(fault),
  })
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({ error: containing(message) })
})

const cycle: { self?: unknown } = {}
cycle.self = cycle

test.each([
  ['a header name with a space', { body: '', headers: { 'bad header': 'x' } }, 'then.headers.bad header'],
  ['an empty header name', { body: '', headers: { '': 'x' } }, 'then.headers.'],
  ['a header value of two lines', { body: '', headers: { a: 'x\r\nb: y' } }, 'then.headers.a'],
  ['a header value beyond Latin-1', { body: '', headers: { a: '微信' } }, 'then.headers.a'],
  ['a BigInt', { body: { expires_in: 7200n } }, 'then.body'],
  ['a cycle', { body: cycle }, 'then.body'],
  ['a function', { body: () => 'x' }, 'then.body'],
])('%s is refused when it is given, not when it strikes', async (_, then, field) => {
  const simulator = await start()
  let thrown: unknown
  try {
    simulator.inject({ then })
  } catch (error) {
    thrown = error
  }
  expect(thrown).toBeInstanceOf(SimulatorInputError)
  expect(thrown).toMatchObject({ field, message: containing(`simulator: ${field} `) })
  expect((await stable(simulator)).errcode).toBeUndefined()
})

test('what JSON can not write any more when it strikes costs one connection', async () => {
  const simulator = await start()
  const body: { self?: unknown } = {}
  simulator.inject({ times: 1, then: { body } })
  body.self = body
  const warned = once(process, 'warning')
  await expect(stable(simulator)).rejects.toThrow('fetch failed')
  expect(await warned).toMatchObject([{ name: 'SimulatorWarning', detail: containing('circular') }])
  expect((await stable(simulator)).errcode).toBeUndefined()
})

test('a listener that throws costs one connection', async () => {
  const simulator = await start()
  simulator.once('request', () => {
    throw new Error('a bug of the listener')
  })
  const warned = once(process, 'warning')
  await expect(stable(simulator)).rejects.toThrow('fetch failed')
  expect(await warned).toMatchObject([{ detail: containing('a bug of the listener') }])
  expect((await stable(simulator)).errcode).toBeUndefined()
})

test('a control request that throws costs one connection', async () => {
  const clock = new TestClock()
  let broken = false
  const now = (): number => {
    if (broken) throw new Error('a bug of the clock')
    return clock.now()
  }
  const simulator = await start({ now })
  const rotate = { method: 'POST', body: JSON.stringify({ appId }) }
  broken = true
  const warned = once(process, 'warning')
  await expect(fetch(`${simulator.url}/_control/rotate`, rotate)).rejects.toThrow('fetch failed')
  expect(await warned).toMatchObject([{ detail: containing('a bug of the clock') }])
  broken = false
  expect((await fetch(`${simulator.url}/_control/rotate`, rotate)).status).toBe(200)
})
