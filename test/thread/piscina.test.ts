import { BroadcastChannel } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { describe, expect, it } from 'vitest'
import { TokenThread } from '../../src/index.js'
import type { Seen } from '../fixtures/pool-reader.js'
import { cleanUp } from '../support/cleanup.js'
import { APP_ID, optionsFor, simulator, threadOn } from '../support/simulated.js'

type PoolOptions = NonNullable<ConstructorParameters<typeof Piscina>[0]>

/** A pool of one thread: each task finds what the last one left. */
function poolOf(options: PoolOptions): Piscina<undefined, Seen> {
  const filename = new URL('../fixtures/pool-reader.mjs', import.meta.url).href
  const pool = new Piscina<undefined, Seen>({
    filename,
    execArgv: [],
    minThreads: 1,
    maxThreads: 1,
    ...options,
  })
  cleanUp(() => pool.destroy())
  return pool
}

/** Resolves when a thread of a pool has heard of a token. */
function heardInThePool(): Promise<void> {
  const events = new BroadcastChannel('token-thread-test-pool')
  cleanUp(() => events.close())
  return new Promise((resolve) => (events.onmessage = () => resolve()))
}

describe('a Piscina pool', () => {
  it('that was started before the TokenThread has the token in its first task', async () => {
    const pool = poolOf({ atomics: 'disabled' })
    const first = pool.run(undefined)
    const tokens = await TokenThread.start(optionsFor(await simulator()))
    cleanUp(() => tokens.close())
    expect(await first).toMatchObject({ token: tokens.get() })
  })

  it("with atomics: 'disabled', as ours: an idle thread hears of a new token by itself", async () => {
    const sim = await simulator()
    const tokens = await threadOn(sim)
    const pool = poolOf({ atomics: 'disabled' })
    const { heardAfter, threadId } = await pool.run(undefined)
    sim.revoke(APP_ID)
    const heard = heardInThePool()
    const fresh = await tokens.reject(tokens.get())
    await heard
    expect(await pool.run(undefined)).toEqual({
      threadId,
      token: fresh.accessToken,
      generation: fresh.generation,
      heardBefore: heardAfter + 1,
      heardAfter: heardAfter + 1,
    })
  })

  it("with atomics: 'sync', its default: reads are right at the next task, events come late", async () => {
    const sim = await simulator()
    const tokens = await threadOn(sim)
    const pool = poolOf({ atomics: 'sync' })
    const { heardAfter, threadId } = await pool.run(undefined)
    let fresh = await tokens.ready()
    for (let rotation = 0; rotation < 10; rotation++) {
      sim.revoke(APP_ID)
      fresh = await tokens.reject(tokens.get())
    }
    const seen = await pool.run(undefined)
    expect(seen).toMatchObject({ threadId, token: fresh.accessToken, generation: fresh.generation })
    // Parked in Atomics.wait since its last task: no turn, so no event, though ten tokens have come and gone.
    expect(seen.heardBefore).toBe(heardAfter)
    expect(seen.heardAfter).toBeGreaterThan(heardAfter)
    expect(sim.counters(APP_ID).tokenCalls).toBe(11)
  })
})
