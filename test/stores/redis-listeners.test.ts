import { expect, test } from 'vitest'
import { type Clock, systemClock } from '../../src/clock.js'
import { cleanUp } from '../support/cleanup.js'
import { deadPort } from '../support/proxy.js'
import { openRedis, redisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'
import { describeWith } from '../support/servers.js'

/** Who watches connects again after a while that is chance: a fleet loses its server all at once. */

const OPERATION = 77_777
const PING_EVERY = 10_000

/** Waits end at once, and are written down. */
function recordedWaits(): { clock: Clock; waits: number[]; pass: (ms: number) => void } {
  const waits: number[] = []
  let passed = 0
  const clock: Clock = {
    ...systemClock,
    monotonic: () => systemClock.monotonic() + passed,
    timer: (ms, run) => {
      if (ms === OPERATION || ms === PING_EVERY) return systemClock.timer(ms, run)
      waits.push(ms)
      return systemClock.timer(0, run)
    },
  }
  return { clock, waits, pass: (ms) => (passed += ms) }
}

describeWith('redis-program', 'who watches Redis', () => {
  test('tries again after longer and longer waits, of which chance takes a part', async () => {
    const { clock, waits } = recordedWaits()
    const urls = [`redis://127.0.0.1:${await deadPort()}`]
    const store = openRedis({ urls }, { clock, operationTimeout: OPERATION })
    const unwatch = store.watch(() => undefined)
    await until(() => waits.length >= 60, 'it tries no more')
    unwatch()
    const late = waits.slice(10, 60)
    expect(new Set(late).size).toBeGreaterThan(25)
    expect(Math.min(...late)).toBeLessThan(2_500)
    expect(Math.max(...late)).toBeGreaterThan(2_500)
    expect(Math.max(...waits)).toBeLessThanOrEqual(5_000)
  })

  test('takes a connection that is lost soon for no success, and one that lived for one', async () => {
    const redis = await redisServer()
    cleanUp(redis.remove)
    const { clock, waits, pass } = recordedWaits()
    const store = openRedis({ urls: [redis.url] }, { clock, operationTimeout: OPERATION })
    let heard = 0
    store.watch(() => (heard += 1))
    const lose = async (i: number): Promise<void> => {
      await until(() => heard === i, 'no subscription')
      await redis.cli('CLIENT', 'KILL', 'TYPE', 'pubsub')
    }
    for (let i = 1; i <= 40; i++) await lose(i)
    expect(Math.max(...waits)).toBeGreaterThan(1_000)
    await until(() => heard === 41, 'no subscription')
    pass(60_000)
    const before = waits.length
    await lose(41)
    await until(() => heard === 42, 'no subscription')
    expect(Math.max(...waits.slice(before))).toBeLessThanOrEqual(200)
  })
})
