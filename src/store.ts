/**
 * Where tokens survive and what a fleet shares. The contract of every store: the built-in ones keep it, and so must a
 * module of yours (`storeContract` of `token-thread/testing` checks it). Its only user is the refresh loop, in the
 * worker: take the lease, read again, fetch only if still needed, publish.
 *
 * - A `key` names an account: provider, endpoint, appId. A store keeps one record for each and knows nothing more.
 * - Every number is whole. An instant is in ms on the STORE's clock, never on the caller's: each record that is read carries `now`.
 * - A lease alone excludes nobody: a process may sleep past its end. So each lease has an epoch that only grows, and a
 *   write under an epoch that is not the record's latest is refused, atomically with the write, and changes nothing.
 * - An operation that can't be done throws (or rejects); the message may be logged, so it holds no password. The caller
 *   waits a bounded time for each. It may be done later all the same: the epoch makes that harmless.
 */
export interface Store {
  /** ms; how often a reader looks again by itself, in case a notice was lost. Default: 30_000. */
  readonly pollEvery?: number

  /** The record; of an unknown key an empty one, with epoch 0. */
  load(key: string): Awaitable<Stored>

  /**
   * The short right to refresh, unless another's has not ended. The new epoch is the largest of
   * `stored.epoch + 1`, `stored.token.generation + 1`, `known + 1` and the store's clock in ms: it grows, even where a
   * failover forgot the last one. What is granted ends `duration` ms from now, if it is not released before. One that
   * would end more than ten `duration`s from now is none: the store's clock was stepped back.
   */
  acquire(key: string, wanted: LeaseWanted): Awaitable<Acquired>

  /** Replaces the day's count, before a fetch is sent. False: `epoch` is not the latest, nothing was written. */
  spend(key: string, epoch: number, spent: StoredSpent): Awaitable<boolean>

  /**
   * Replaces the token, notes `epoch` with it, and forgets `retry`. A higher generation also ends the suspicion. False:
   * `epoch` is not the latest, or the stored generation is higher; nothing was written. A lease that has ended but
   * was not granted to anybody since still publishes. All who watch hear of a higher generation.
   */
  publish(key: string, epoch: number, token: PublishedToken): Awaitable<boolean>

  /**
   * An API refused the token of this generation, or may do so. Sets `suspectSince` to the record's epoch, where the
   * stored token is of this generation and not suspect yet, and all who watch hear of that; otherwise nothing happens.
   */
  markSuspect(key: string, generation: number): Awaitable<void>

  /** Ends the lease; a `retry` replaces the stored one. False: `epoch` is not the latest, nothing was written. */
  release(key: string, epoch: number, retry?: StoredRetry): Awaitable<boolean>

  /**
   * Calls back when another process, or this one, published a higher generation or marked one suspect; with undefined
   * when notices may have been lost, as after a reconnection. A store that hears nothing never calls and has a short
   * `pollEvery`. The callback never throws.
   */
  watch(onNotice: (notice: Notice | undefined) => void): () => void

  /** Lets go of connections and files; what is pending may fail. Called once, last. */
  close(): Awaitable<void>
}

/** One account's record. */
export interface Stored {
  /** The store's clock when this was read, ms since the epoch. */
  readonly now: number
  /** Of the latest lease; 0 where there was none. */
  readonly epoch: number
  readonly token: StoredToken | undefined
  /** The epoch at which the token was first said to be refused. */
  readonly suspectSince: number | undefined
  readonly spent: StoredSpent
  readonly retry: StoredRetry | undefined
}

export interface PublishedToken {
  /** Any length. */
  readonly accessToken: string
  readonly issuedAt: number
  readonly expiresAt: number
  readonly generation: number
}

export interface StoredToken extends PublishedToken {
  /** Under which it was last published. */
  readonly epoch: number
}

/** The calls of the issuer's day. A store keeps these numbers and does not reckon with them. */
export interface StoredSpent {
  /** When the day that is counted ends; 0: nothing was counted yet. */
  readonly dayEnds: number
  readonly calls: number
  readonly forced: number
  readonly lastCall: number | undefined
  readonly lastForced: number | undefined
}

/** What the last call's failure imposes on all: no scheduled call before `at`. */
export interface StoredRetry {
  readonly at: number
  /** Calls failed in a row. */
  readonly failures: number
}

export interface LeaseWanted {
  /** ms */
  readonly duration: number
  /** The highest epoch or generation that the caller knows. */
  readonly known: number
}

export type Acquired =
  | { readonly granted: true; readonly stored: Stored }
  /** Another's lease lasts `heldFor` ms more. */
  | { readonly granted: false; readonly stored: Stored; readonly heldFor: number }

export interface Notice {
  readonly key: string
  readonly generation: number
  /** It was marked suspect, not published. */
  readonly suspect: boolean
}

export interface StoreContext {
  /** `options` of `{ kind: 'module', url, options }`. */
  readonly options: unknown
  /** Tells an operator, in the log; without secrets. */
  readonly warn: (message: string) => void
}

/**
 * What a store's module default-exports. It need not connect: an operation may, and each is tried again. It runs in
 * the refresher's thread.
 */
export type OpenStore = (context: StoreContext) => Awaitable<Store>

export type Awaitable<T> = T | Promise<T>

/** The record of an account of which nothing is stored. */
export function emptyRecord(now: number): Stored {
  return { now, epoch: 0, token: undefined, suspectSince: undefined, spent: NOTHING_STORED, retry: undefined }
}

const NOTHING_STORED: StoredSpent = {
  dayEnds: 0,
  calls: 0,
  forced: 0,
  lastCall: undefined,
  lastForced: undefined,
}
