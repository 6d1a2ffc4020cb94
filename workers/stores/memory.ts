import type { Clock } from '../../src/clock.js'
import { refund, spend } from '../schedule.js'
import type { Lease, Store, Stored } from './store.js'

/** The store of one process: it lives as long as its thread, and starts from what the last thread knew. */
export function memoryStore(known: Stored, clock: Clock): Store {
  let stored = known
  let lastEpoch = known.token?.generation ?? 0
  return {
    load: () => stored,
    acquire: (): Lease => {
      lastEpoch = Math.max(lastEpoch + 1, Math.floor(clock.now()))
      return { ...stored, epoch: lastEpoch }
    },
    spend: (_lease, forced, limits) => {
      stored = { ...stored, spent: spend(stored.spent, forced, clock, limits) }
      return stored.spent
    },
    refund: (_lease, forced) => {
      stored = { ...stored, spent: refund(stored.spent, forced) }
      return stored.spent
    },
    publish: (_lease, token) => {
      const newer = token.generation !== stored.token?.generation
      stored = { ...stored, token, suspect: newer ? false : stored.suspect }
      return true
    },
    markSuspect: (generation) => {
      if (stored.token?.generation === generation) stored = { ...stored, suspect: true }
    },
    release: () => undefined,
    watch: () => () => undefined,
    close: () => undefined,
  }
}
