import { Agent, fetch as fetch7, request } from 'undici'
import { expect, test } from 'vitest'
import { tokenInterceptor } from '../../src/index.js'
import { APP_ID, simulator, threadOn } from '../support/simulated.js'

test('smoke', async () => {
  const sim = await simulator()
  const tokens = await threadOn(sim)
  const dispatcher = new Agent().compose(tokenInterceptor(tokens))
  const a = await request(`${sim.url}/cgi-bin/x`, { dispatcher })
  expect(await a.body.json()).toEqual({ errcode: 0, errmsg: 'ok' })
  sim.revoke(APP_ID)
  const b = await request(`${sim.url}/cgi-bin/x`, { dispatcher })
  expect(await b.body.json()).toEqual({ errcode: 0, errmsg: 'ok' })
  sim.revoke(APP_ID)
  const c = await fetch7(`${sim.url}/cgi-bin/x`, { dispatcher, method: 'POST', body: 'hello' })
  expect(await c.json()).toEqual({ errcode: 0, errmsg: 'ok' })
  expect(sim.counters().stable.issued).toBe(3)
})
