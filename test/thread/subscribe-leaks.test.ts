import { once } from 'node:events'
import { queryObjects } from 'node:v8'
import { MessagePort } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { TokenSubscription } from '../../src/subscribe.js'
import { subscribeTokens } from '../../src/index.js'
import { outcomeOf } from '../support/outcome.js'
import { started } from '../support/start.js'
import { settle } from '../support/virtual-clock.js'
import { VirtualSystem } from '../support/virtual-system.js'
import { cleanUp } from '../support/cleanup.js'
import { ReaderThread } from '../support/reader-thread.js'
import { simulator, threadOn } from '../support/simulated.js'

describe('leaves nothing behind', () => {
  const joins = async (reader: ReaderThread, times: number): Promise<{ ports: number; active: string[] }> => {
    const left = await reader.run('joins', [times])
    if (!isLeft(left)) throw new Error('the reader said something else')
    return left
  }
  const isLeft = (left: unknown): left is { ports: number; active: string[] } =>
    typeof left === 'object' && left !== null && 'ports' in left
  const ports = (): number => queryObjects(MessagePort, { format: 'count' })

  it('in its own thread, after 1,000 joins', async () => {
    const sim = await simulator()
    await threadOn(sim)
    const reader = await ReaderThread.start()
    const { ports: before } = await joins(reader, 10)
    const { ports: after, active } = await joins(reader, 1_000)
    expect(after).toBeLessThan(before + 100)
    // Its parent's, by which it is told what to do.
    expect(active).toEqual(['MessagePort'])
  })

  it('at the refresher and where it was introduced, after 1,000 joins', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    const joinAndLeave = async (times: number): Promise<number> => {
      for (let i = 0; i < times; i++) {
        const subscription = await subscribeTokens({}, system.clock)
        expect(subscription.get()).toBe(tokens.get())
        subscription.close()
      }
      await settle()
      return ports()
    }
    const before = await joinAndLeave(10)
    expect(await joinAndLeave(1_000)).toBeLessThan(before + 100)
    expect(queryObjects(TokenSubscription, { format: 'count' })).toBeLessThan(100)
    expect(process.listenerCount('workerMessage')).toBe(1)
    await tokens.close()
    expect(process.listenerCount('workerMessage')).toBe(0)
    expect(system.clock.holds).toBe(0)
  })

  it('after the refresher died so often', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    const subscription = await subscribeTokens({}, system.clock)
    cleanUp(() => subscription.close())
    const dieAndRestart = async (times: number): Promise<number> => {
      for (let i = 0; i < times; i++) {
        await system.kill()
        await system.clock.advance(60_000)
      }
      // What the test itself keeps of them.
      system.starts.length = 0
      return ports()
    }
    const before = await dieAndRestart(3)
    expect(await dieAndRestart(30)).toBeLessThan(before + 30)
    expect(tokens.status().restarts).toBe(33)
    expect(subscription.get()).toBe(tokens.get())
  })

  const TIMES = 8
  /** How many ports a number of threads leave behind: those of the Workers themselves, at least. One may still be closing. */
  const leftBy = async (live: (reader: ReaderThread) => Promise<unknown>): Promise<number> => {
    const before = ports()
    for (let i = 0; i < TIMES; i++) {
      const reader = await ReaderThread.start()
      await live(reader)
      await reader.worker.terminate()
    }
    await settle()
    return ports() - before
  }
  const doNothing = (reader: ReaderThread): Promise<unknown> => reader.run('abort', ['nothing'])

  it('of readers whose threads died while they asked something', async () => {
    const system = new VirtualSystem()
    await started(system)
    system.issuer.otherwise = () => new Promise(() => undefined)
    const asking = async (reader: ReaderThread): Promise<void> => {
      await reader.run('subscribe', [])
      // Nobody answers. Whoever is still alive by then gives up.
      outcomeOf(reader.run('reject', [0, 'token-1']))
      await reader.run('status', [0])
    }
    await asking(await ReaderThread.start())
    const nothing = await leftBy(doNothing)
    expect(await leftBy(asking)).toBeLessThan(nothing + TIMES)
  })

  it('of readers whose threads died while there was no refresher to join', async () => {
    const system = new VirtualSystem()
    await started(system)
    await system.kill()
    const waiting = async (reader: ReaderThread): Promise<void> => {
      const asked = once(process, 'workerMessage')
      void reader.run('subscribe', [])
      await asked
    }
    await waiting(await ReaderThread.start())
    const nothing = await leftBy(doNothing)
    expect(await leftBy(waiting)).toBeLessThan(nothing + TIMES)
  })
})
