import { Agent, request } from 'undici'
import { expect, test } from 'vitest'
import { tokenInterceptor } from '../../src/index.js'
import { cleanUp } from '../support/cleanup.js'
import { APP_ID, simulator, threadOn } from '../support/simulated.js'

test('a thousand in flight when the token dies, refused before, during and after the refresh: one token call', async () => {
  const sim = await simulator()
  const tokens = await threadOn(sim)
  const agent = new Agent({ connections: null, pipelining: 1 })
  cleanUp(() => agent.destroy())
  const dispatcher = agent.compose(tokenInterceptor(tokens, { logger: false }))
  let healed = 0
  const ask = async (): Promise<unknown> => {
    const { body } = await request(`${sim.url}/cgi-bin/message/send`, {
      dispatcher,
      method: 'POST',
      body: '{}',
    })
    const answer = await body.json()
    healed += 1
    return answer
  }
  const before = sim.inject({ on: 'api', hold: true, times: 300 })
  const waves = [Array.from({ length: 300 }, ask)]
  await before.held(300)
  const during = sim.inject({ on: 'api', hold: true, times: 400 })
  waves.push(Array.from({ length: 400 }, ask))
  await during.held(400)
  const after = sim.inject({ on: 'api', hold: true, times: 300 })
  waves.push(Array.from({ length: 300 }, ask))
  await after.held(300)

  const tokenCall = sim.inject({ on: 'token', hold: true })
  sim.revoke(APP_ID)
  before.release()
  await tokenCall.held()
  // Refused while the one call is under way.
  during.release()
  while (sim.counters(APP_ID).apiRefused < 700) await new Promise((resolve) => setImmediate(resolve))
  tokenCall.remove()
  await Promise.all(waves.slice(0, 2).flat())
  expect(healed).toBe(700)
  // Their token is no longer the current one.
  after.release()
  const answers = await Promise.all(waves.flat())
  expect(answers).toEqual(Array.from({ length: 1_000 }, () => ({ errcode: 0, errmsg: 'ok' })))
  expect(sim.counters(APP_ID).stable.issued).toBe(2)
  expect(sim.counters(APP_ID).tokenCalls).toBe(2)
})
