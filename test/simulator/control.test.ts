import { expect, test } from 'vitest'
import type { Simulator } from '../../simulator/index.js'
import { type Answer, appId, appSecret, ask, containing, post, stable, start, use } from './help.js'

const control = (simulator: Simulator, action: string, body: unknown): Promise<Answer> =>
  post(`${simulator.url}/_control/${action}`, body)

test('counters: the sum and each account, none of them moved by control calls', async () => {
  const simulator = await start({
    accounts: [
      { appId, appSecret },
      { appId: 'wx2', appSecret: 'two' },
    ],
  })
  await stable(simulator)
  const answer = await ask(`${simulator.url}/_control/counters`)
  expect(answer.body).toEqual({
    total: simulator.counters(),
    accounts: { [appId]: simulator.counters(appId), wx2: simulator.counters('wx2') },
  })
  expect(simulator.counters()).toMatchObject({ tokenCalls: 1, apiCalls: 0 })
})

test('rotate, revoke, refuse and expires-in do what the methods do', async () => {
  const simulator = await start()
  const first = (await stable(simulator)).accessToken
  expect((await control(simulator, 'rotate', { appId, kind: 'stable' })).body).toEqual({})
  const second = (await stable(simulator)).accessToken
  expect(second).not.toBe(first)
  await control(simulator, 'refuse', { accessToken: second })
  expect(await use(simulator, second)).toBe(40001)
  await control(simulator, 'expires-in', { expiresIn: 90 })
  await control(simulator, 'revoke', { appId })
  expect((await stable(simulator)).expiresIn).toBe(90)
})

test('inject and clear, one fault or all', async () => {
  const simulator = await start()
  const first = await control(simulator, 'inject', { then: { errcode: -1 } })
  await control(simulator, 'inject', { then: { body: 'x' }, on: 'api' })
  await control(simulator, 'inject', { then: { errcode: 45009 } })
  expect((await stable(simulator)).errcode).toBe(-1)
  expect((await control(simulator, 'clear', { id: first.body.id })).body).toEqual({ count: 1 })
  expect((await stable(simulator)).errcode).toBe(45009)
  expect((await control(simulator, 'clear', '')).body).toEqual({ count: 1 })
  const { accessToken } = await stable(simulator)
  expect(await use(simulator, accessToken)).toBe(0)
})

test('clear lets go what a fault holds, and leaves the faults of the own process', async () => {
  const simulator = await start()
  const own = simulator.inject({ on: 'api', then: { errcode: 48001 } })
  await control(simulator, 'inject', { hold: true })
  const arrived = new Promise((resolve) => simulator.once('request', resolve))
  const answer = stable(simulator)
  await arrived
  await control(simulator, 'clear', {})
  expect(await use(simulator, (await answer).accessToken)).toBe(48001)
  expect(own.count).toBe(1)
})

test.each([
  ['rotate', {}, 'appId'],
  ['rotate', { appId: 'wx9' }, 'appId'],
  ['rotate', { appId, kind: 'both' }, 'kind'],
  ['revoke', { appId, kinds: 'stable' }, 'kinds'],
  ['refuse', { accessToken: 'x' }, 'accessToken'],
  ['expires-in', { expiresIn: '7200' }, 'expiresIn'],
  ['inject', { times: -1 }, 'times'],
  ['inject', { then: 'boom' }, 'then'],
  ['inject', { then: { body: '', headers: { 'bad header': 'x' } } }, 'then.headers.bad header'],
  ['inject', { then: { body: '', headers: { a: 'x\r\nb: y' } } }, 'then.headers.a'],
  ['clear', { id: 7 }, 'id'],
  ['rotate', '{', 'the body'],
  ['rotate', [], 'the body'],
])('%s with %j is a 400 that names the field', async (action, body, field) => {
  const answer = await control(await start(), action, body)
  expect(answer.status).toBe(400)
  expect(answer.body).toEqual({ error: containing(field), field })
})

test('an unknown path is a 404, a wrong method a 405', async () => {
  const simulator = await start()
  expect((await control(simulator, 'constructor', {})).status).toBe(404)
  expect((await control(simulator, 'rotated', {})).status).toBe(404)
  expect((await control(simulator, 'counters', {})).status).toBe(405)
  expect((await ask(`${simulator.url}/_control/rotate`)).status).toBe(405)
})
