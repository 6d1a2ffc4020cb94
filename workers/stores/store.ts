import type { Cancel, Instant } from '../../src/clock.js'
import type { Spent } from '../../src/protocol.js'
import type { TokenData } from '../../src/token.js'
import type { Limits } from '../schedule.js'

/**
 * Where one account's token survives. The refresh loop is its only user: take the lease, read again, fetch only if
 * still needed, publish. Durations are relative (ms); a shared store measures them on its own clock.
 */
export interface Store {
  /** The last published token and the day's count. */
  load(): Awaitable<Stored>
  /** The short right to refresh, or undefined while another node has it. */
  acquire(): Awaitable<Lease | undefined>
  /** Counts one fetch, under the lease, before it is sent. */
  spend(lease: Lease, forced: boolean, limits: Limits): Awaitable<Spent>
  /** Gives one fetch back that was counted and never left. */
  refund(lease: Lease, forced: boolean): Awaitable<Spent>
  /** Writes a token fetched under the lease; false where the lease was lost: then nothing was written. */
  publish(lease: Lease, token: StoredToken): Awaitable<boolean>
  /** An API refused the token of this generation; a newer one clears the mark. */
  markSuspect(generation: number): Awaitable<void>
  release(lease: Lease): Awaitable<void>
  /** Calls back with the generation that another node published. */
  watch(notice: (generation: number) => void): Cancel
  close(): Awaitable<void>
}

export interface Stored {
  readonly token: StoredToken | undefined
  readonly suspect: boolean
  readonly spent: Spent
}

export interface StoredToken extends TokenData {
  readonly expires: Instant
}

/**
 * `epoch` grows with each lease: the larger of the last + 1 and the clock in ms. It becomes the generation of a token
 * that is first seen under this lease.
 */
export interface Lease extends Stored {
  readonly epoch: number
}

export type Awaitable<T> = T | Promise<T>
