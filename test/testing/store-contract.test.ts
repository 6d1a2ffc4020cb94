import { AssertionError } from 'node:assert/strict'
import { describe, expect, test, vi } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { Notice, Store } from '../../src/store.js'
import { storeContract } from '../../testing/store-contract.js'
import { memoryStore } from '../../workers/stores/memory.js'
import { cleanUp } from '../support/cleanup.js'

type Listener = (notice: Notice | undefined) => void

/** The case about notices, on a store that says `pollEvery` and tells its watchers so of what is written. */
async function watched(
  pollEvery: () => number,
  tell: (say: Listener, notice: Notice) => void,
): Promise<void> {
  const found = storeContract.find(({ name }) => name.startsWith('who watches hears'))
  if (!found) throw new Error('there is no such case')
  const memory = memoryStore(systemClock)
  const listeners = new Set<Listener>()
  const say: Listener = (notice) => listeners.forEach((listener) => listener(notice))
  const store: Store = {
    ...memory,
    get pollEvery() {
      return pollEvery()
    },
    publish: async (key, epoch, token) => {
      const isDone = await memory.publish(key, epoch, token)
      tell(say, { key, generation: token.generation, suspect: false })
      return isDone
    },
    markSuspect: async (key, generation) => {
      await memory.markSuspect(key, generation)
      tell(say, { key, generation, suspect: true })
    },
    watch: (onNotice) => {
      listeners.add(onNotice)
      return () => listeners.delete(onNotice)
    },
    close: () => undefined,
  }
  await found.run(() => store)
}

/** It does not know at first whether notices come through: as PostgreSQL's. */
function often(reads: number): () => number {
  let left = reads
  return () => ((left -= 1) >= 0 ? 5_000 : 30_000)
}

/** Each look at the clock is later than it was: who waits for nothing gives up soon. */
function hurriedClock(): void {
  const start = Date.now()
  let looks = 0
  const now = vi.spyOn(Date, 'now').mockImplementation(() => start + (looks += 1) * 100)
  cleanUp(() => now.mockRestore())
}

describe('the contract’s case of who watches', () => {
  test.each([0, 3])('is kept by one that tells, after it polled often for %i looks', async (looks) => {
    await watched(often(looks), (say, notice) => say(notice))
  })

  test('is kept by one that says to look', async () => {
    await watched(often(3), (say) => say(undefined))
  })

  test('is kept by one that only polls, and often', async () => {
    await watched(
      () => 1_000,
      () => undefined,
    )
  })

  for (const looks of [0, 3])
    test(`is broken by one that tells nothing, after it polled often for ${looks} looks`, async () => {
      hurriedClock()
      const kept = watched(often(looks), () => undefined)
      await expect(kept).rejects.toThrow(AssertionError)
      await expect(kept).rejects.toThrow('no notice of a newer token')
    })

  test('is broken by one that tells of tokens, not of suspicions', async () => {
    hurriedClock()
    await expect(
      watched(often(0), (say, notice) => {
        if (!notice.suspect) say(notice)
      }),
    ).rejects.toThrow('no notice of a suspicion')
  })
})
