import { describe, expect, it } from 'vitest'
import { fate, MORTAL_WORKER } from '../support/channel.js'
import { keepingLogger } from '../support/log.js'
import { APP_ID, next, simulator, threadOn } from '../support/simulated.js'

describe('the thread’s death', () => {
  it.each([
    ['exit', 'exited'],
    ['throw', 'crashed'],
    ['memory', 'out of memory'],
  ] as const)(
    'by %s is a non-event: the token stays, another thread goes on without a fetch',
    async (how, reason) => {
      const sim = await simulator()
      const logger = keepingLogger()
      const tokens = await threadOn(sim, { workerUrl: MORTAL_WORKER, logger })
      const { kill, alive } = fate()
      const { accessToken, generation } = await tokens.ready()
      for (const round of [1, 2]) {
        const restarted = next(tokens, 'restart')
        const reborn = alive()
        kill(how)
        // However long that takes, reads never notice.
        expect(await restarted).toEqual([{ reason, restarts: round }])
        expect(tokens.get()).toBe(accessToken)
        await reborn
        expect(tokens.get()).toBe(accessToken)
        expect(tokens.status()).toMatchObject({
          state: 'valid',
          generation,
          restarts: round,
          fetchesToday: 1,
        })
      }
      sim.revoke(APP_ID, 'stable')
      const fresh = await tokens.reject(accessToken)
      expect(fresh.accessToken).toBe(sim.current(APP_ID).stable?.accessToken)
      expect(fresh.generation).toBeGreaterThan(generation)
      expect(sim.counters(APP_ID).tokenCalls).toBe(2)
      // The second is like the first: it is counted.
      expect(logger.lines.filter(({ fields }) => 'reason' in fields)).toHaveLength(1)
    },
  )

  it('by hanging is noticed, and the hung thread has left before the next one fetches', async () => {
    const sim = await simulator()
    const tokens = await threadOn(sim, { workerUrl: MORTAL_WORKER }, { heartbeat: 100 })
    const { accessToken } = await tokens.ready()
    const restarted = next(tokens, 'restart')
    fate().kill('hang')
    expect(await restarted).toEqual([{ reason: 'hung', restarts: 1 }])
    sim.revoke(APP_ID, 'stable')
    expect((await tokens.reject(accessToken)).accessToken).not.toBe(accessToken)
    expect(sim.counters(APP_ID).tokenCalls).toBe(2)
  })

  it('between sending and the answer costs one call more, and whoever waits is served', async () => {
    const sim = await simulator()
    const tokens = await threadOn(sim, { workerUrl: MORTAL_WORKER, endpoint: 'classic' })
    const { accessToken } = await tokens.ready()
    const held = sim.inject({ hold: true, times: 1 })
    const refused = tokens.reject(accessToken)
    await held.held()
    fate().kill('exit')
    const fresh = await refused
    expect(fresh.accessToken).toBe(sim.current(APP_ID).classic?.accessToken)
    // Its own, the one that died, and one more.
    expect(sim.counters(APP_ID).tokenCalls).toBe(3)
    expect(tokens.status()).toMatchObject({ restarts: 1, fetchesToday: 3 })
  })

  it('that is meant by close is no restart', async () => {
    const sim = await simulator()
    const tokens = await threadOn(sim)
    let restarts = 0
    tokens.on('restart', () => (restarts += 1))
    await tokens.close()
    await new Promise((resolve) => setImmediate(resolve))
    expect(restarts).toBe(0)
    expect(tokens.status()).toMatchObject({ state: 'closed', restarts: 0 })
  })
})
