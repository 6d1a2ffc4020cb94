import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { deferredStore } from '../../workers/stores/deferred.js'
import { memoryStore } from '../../workers/stores/memory.js'

test('a store that can’t be watched is closed again, and the next operation opens another one', async () => {
  const memory = memoryStore(systemClock)
  let opened = 0
  let closed = 0
  const store = deferredStore(() => {
    opened += 1
    const isGood = opened > 1
    return Promise.resolve({
      ...memory,
      watch: () => {
        if (!isGood) throw new Error('deaf')
        return () => undefined
      },
      close: () => void (closed += 1),
    })
  })
  store.watch(() => undefined)
  await expect(store.load('key')).rejects.toThrow('deaf')
  expect([opened, closed]).toEqual([1, 1])
  expect(await store.load('key')).toMatchObject({ epoch: 0 })
  expect([opened, closed]).toEqual([2, 1])
})
