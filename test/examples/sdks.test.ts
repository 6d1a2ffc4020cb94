import { describe, expect, test } from 'vitest'
import { type Simulator, type SimulatorOptions, startSimulator } from '../../simulator/index.js'
import { cleanUp } from '../support/cleanup.js'
import { appId, programFor, Server } from './server.js'

/** The SDKs that people have, on our token: whatever happens, the thread's calls are the only token calls. */

const folder = programFor('sdks')
const answered = { status: 200, body: '{"ip_list":["127.0.0.1"]}' }
/** A rotation every two seconds, and two seconds for each. */
const shortLives = { expiresIn: 4, renewalWindow: 3, overlap: 3 }

async function simulate(options: Partial<SimulatorOptions> = {}): Promise<Simulator> {
  const simulator = await startSimulator({ accounts: [{ appId, appSecret: 'secret' }], ...options })
  cleanUp(() => simulator.close())
  return simulator
}

/** Both SDKs would fetch on the classic endpoint; the thread is on the stable one. */
const noneOfTheSdk = { classic: { calls: 0, issued: 0, unchanged: 0, refused: 0 } }

describe.each(['co-wechat-api.ts', 'node-easywechat.ts'])('%s', (file) => {
  test.each([40001, 40014, 42001])(
    'a refusal with %d heals: the request is sent once more',
    async (errcode) => {
      const simulator = await simulate()
      const server = await Server.start(folder, file, simulator)
      simulator.inject({ on: 'api', times: 1, then: { errcode } })

      expect(await server.ask()).toEqual(answered)
      // The refused token came again, so the thread has forced a new one.
      expect(simulator.counters()).toMatchObject({
        ...noneOfTheSdk,
        ...{ tokenCalls: 3, issued: 2, unchanged: 1, forced: 1, apiCalls: 2, apiRefused: 1 },
      })
    },
  )

  test('any other errcode is the caller’s: no token is refreshed for it, no request sent twice', async () => {
    const simulator = await simulate()
    const server = await Server.start(folder, file, simulator)
    simulator.inject({ on: 'api', times: 1, then: { errcode: 48001 } })

    await server.ask()
    expect(simulator.counters()).toMatchObject({ ...noneOfTheSdk, tokenCalls: 1, apiCalls: 1 })
  })

  test('the second refusal is the caller’s', async () => {
    const simulator = await simulate()
    const server = await Server.start(folder, file, simulator)
    simulator.inject({ on: 'api', then: { errcode: 40001 } })

    expect(await server.ask()).not.toEqual(answered)
    expect(simulator.counters()).toMatchObject({ ...noneOfTheSdk, apiCalls: 2, issued: 2 })
  })

  test('fifty requests that a dead token refuses are one refresh, and all heal', async () => {
    const simulator = await simulate()
    const server = await Server.start(folder, file, simulator)
    const refusing = simulator.inject({ on: 'api', hold: true })
    const answers = Array.from({ length: 50 }, () => server.ask())
    await refusing.held(50)
    simulator.revoke(appId)
    refusing.remove()

    expect(new Set((await Promise.all(answers)).map(({ body }) => body))).toEqual(new Set([answered.body]))
    expect(simulator.counters()).toMatchObject({
      ...noneOfTheSdk,
      ...{ tokenCalls: 2, issued: 2, forced: 0, apiCalls: 100, apiRefused: 50 },
    })
  })

  test('a late refusal of an old token does not cost the new one', async () => {
    const simulator = await simulate()
    const server = await Server.start(folder, file, simulator)
    const late = simulator.inject({ on: 'api', times: 1, hold: true })
    const lateAnswer = server.ask()
    await late.held()
    simulator.revoke(appId)
    expect(await server.ask()).toEqual(answered)
    expect(simulator.counters()).toMatchObject({ issued: 2 })

    late.release()
    expect(await lateAnswer).toEqual(answered)
    expect(simulator.counters()).toMatchObject({ ...noneOfTheSdk, tokenCalls: 2, issued: 2, apiRefused: 2 })
  })

  test('three rotations, and no request notices', async () => {
    const simulator = await simulate(shortLives)
    const server = await Server.start(folder, file, simulator)
    simulator.inject({ on: 'api', delay: 20 })
    let asked = 0
    while (simulator.counters().issued < 4) {
      expect(await server.ask()).toEqual(answered)
      asked += 1
    }
    expect(simulator.counters()).toMatchObject({ ...noneOfTheSdk, apiCalls: asked, apiRefused: 0, forced: 0 })
  })

  test('without a live token a request fails; the SDK does not fetch one', async () => {
    const simulator = await simulate(shortLives)
    const server = await Server.start(folder, file, simulator)
    simulator.inject({ on: 'api', delay: 20 })
    const away = simulator.inject({ on: 'token', then: { errcode: -1 } })
    while ((await server.ask()).status === 200);
    const { apiCalls } = simulator.counters()
    expect(await server.ask()).toMatchObject({ status: 502 })
    expect(simulator.counters()).toMatchObject({ ...noneOfTheSdk, issued: 1, apiCalls })

    away.remove()
    while ((await server.ask()).status !== 200);
    expect(simulator.counters()).toMatchObject({ ...noneOfTheSdk, issued: 2 })
  })

  test.each(['reset', 'html'] as const)('%s: what it logs holds no token and no secret', async (then) => {
    const simulator = await simulate()
    const server = await Server.start(folder, file, simulator)
    const token = simulator.current(appId).stable?.accessToken ?? ''
    expect(token).not.toBe('')
    simulator.inject({ on: 'api', then })

    await server.ask()
    await server.end()
    expect(server.output).not.toContain(token)
    expect(server.output).not.toContain('secret')
  })
})
