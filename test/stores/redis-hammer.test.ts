import { expect, test } from 'vitest'
import { cleanUp } from '../support/cleanup.js'
import { openRedis, redisServer } from '../support/redis-server.js'
import { describeWith } from '../support/servers.js'

const STORES = 8
const TURNS = 25

describeWith('redis-program', 'eight stores on one Redis', () => {
  test('count under the lease, each as fast as it can, and no count is lost', async () => {
    const redis = await redisServer()
    cleanUp(redis.remove)
    const stores = Array.from({ length: STORES }, () => openRedis({ urls: [redis.url] }))
    const epochs: number[] = []
    const count = async (store: (typeof stores)[number]): Promise<void> => {
      for (let turns = 0; turns < TURNS;) {
        const answer = await store.acquire('a', { duration: 60_000, known: 0 })
        if (!answer.granted) continue
        const { epoch, spent } = answer.stored
        epochs.push(epoch)
        expect(await store.spend('a', epoch, { ...spent, calls: spent.calls + 1 })).toBe(true)
        expect(await store.release('a', epoch)).toBe(true)
        turns += 1
      }
    }
    await Promise.all(stores.map(count))
    const { spent } = await openRedis({ urls: [redis.url] }).load('a')
    expect(spent.calls).toBe(STORES * TURNS)
    expect(epochs).toEqual([...new Set(epochs)].sort((a, b) => a - b))
  })
})
