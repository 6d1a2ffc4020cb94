import type { Cancel, Clock, Instant } from '../../src/clock.js'
import { instantNow, later } from '../../src/clock.js'
import { type Failure, messageOf, withoutSecrets } from '../../src/errors.js'
import type { Spent } from '../../src/protocol.js'
import type { Awaitable, Notice, Store, Stored, StoredSpent } from '../../src/store.js'
import type { TokenData } from '../../src/token.js'
import { StoreOperatorError } from './store-error.js'

/** A record on this node's clocks. */
export interface Known {
  readonly token: PublishedToken | undefined
  readonly suspect: boolean
  /** Of a suspect token: whether a call made after it was refused brought it again, and only a forced one can replace it. */
  readonly sinceRefused: 'no call' | 'the same again' | 'the same again, just now'
  readonly spent: Spent
  readonly retry: { readonly until: Instant; readonly failures: number } | undefined
  /** Of the latest lease, whoever had it. */
  readonly epoch: number
  /** ms by which the store's clock is ahead of ours. */
  readonly skew: number
}

export interface KnownToken extends TokenData {
  readonly expires: Instant
}

export interface PublishedToken extends KnownToken {
  /** Under which it was last published. */
  readonly epoch: number
}

export interface Lease extends Known {
  /** It has ended when one of our clocks says so, a little before the store's does. */
  readonly ends: Instant
  /** The store's clock, and ours when it had been read. */
  readonly now: number
  readonly readAt: Instant
}

export type Answer = { readonly lease: Lease } | { readonly heldUntil: Instant; readonly known: Known }

/** The store can't be used now, or until an operator mends it. */
export class StoreDown extends Error {
  readonly failure: Failure

  constructor(failure: Failure) {
    super(failure.message)
    this.failure = failure
  }
}

export interface AccountStoreParts {
  readonly store: Store
  readonly key: string
  /** The account's id, for messages. */
  readonly account: string
  readonly clock: Clock
  /** ms that one operation may take. */
  readonly patience: number
  /** ms for which a call's outcome tells of a token that was refused before. */
  readonly recent: number
  /** What a message must not show. */
  readonly secrets: readonly string[]
  /** Whether others read and write it too. */
  readonly isShared: boolean
}

/** ms; clocks nearer than this are taken for one: what is measured is a network's delay. */
const SAME_CLOCK = 2_000
const DEFAULT_POLL = 30_000
/** What a store may say less than, and is not believed: it would be asked without a pause. */
const SHORTEST_POLL = 500
const SHORTEST_HOLD = 500

/**
 * One account's record in a store: on our clocks, and with a bound on the time that each operation takes. What can't
 * be done is a `StoreDown`.
 */
export class AccountStore {
  readonly #parts: AccountStoreParts
  /** The last tokens that went in or out: a store's error may quote what it was given. */
  #tokens: readonly string[] = []
  /** ms; the most that an operation may take now, beside what it may ever take. */
  patience = Infinity

  constructor(parts: AccountStoreParts) {
    this.#parts = parts
  }

  get isShared(): boolean {
    return this.#parts.isShared
  }

  /** ms */
  get pollEvery(): number {
    const { pollEvery = DEFAULT_POLL } = this.#parts.store
    return Number.isFinite(pollEvery) ? Math.max(SHORTEST_POLL, pollEvery) : DEFAULT_POLL
  }

  async load(): Promise<Known> {
    const { store, key, clock } = this.#parts
    const asked = instantNow(clock)
    return this.#do(async () => this.#known(await store.load(key), asked))
  }

  async acquire(duration: number, known: number): Promise<Answer> {
    const { store, key, clock } = this.#parts
    const asked = instantNow(clock)
    const wanted = { duration: Math.ceil(duration), known }
    let isGivenUp = false
    const [answer, record] = await this.#do(
      async () => {
        const acquired = await store.acquire(key, wanted)
        if (!acquired.granted) checkNumbers([acquired.heldFor])
        // Nobody would use it, and the others would wait for its end.
        else if (isGivenUp) await store.release(key, acquired.stored.epoch)
        return [acquired, this.#known(acquired.stored, asked)] as const
      },
      () => (isGivenUp = true),
    )
    if (!answer.granted)
      return { heldUntil: later(instantNow(clock), Math.max(SHORTEST_HOLD, answer.heldFor)), known: record }
    const ends = later(asked, duration)
    return { lease: { ...record, ends, now: answer.stored.now, readAt: instantNow(clock) } }
  }

  spend(lease: Lease, spent: Spent): Promise<boolean> {
    const { store, key } = this.#parts
    const at = (instant: Instant | undefined): number | undefined =>
      instant && Math.round(this.#onStoreClock(instant, lease))
    const stored: StoredSpent = {
      dayEnds: Math.round(spent.dayEnds + lease.skew),
      calls: spent.calls,
      forced: spent.forced,
      lastCall: at(spent.lastCall),
      lastForced: at(spent.lastForced),
    }
    return this.#do(() => store.spend(key, lease.epoch, stored))
  }

  publish(
    lease: Lease,
    { accessToken, issuedAt, expiresAt, generation, expires }: KnownToken,
  ): Promise<boolean> {
    const { store, key } = this.#parts
    this.#noteSecret(accessToken)
    const storedExpiry = Math.floor(this.#onStoreClock(expires, lease))
    const token = {
      accessToken,
      issuedAt: Math.round(storedExpiry - (expiresAt - issuedAt)),
      expiresAt: storedExpiry,
      generation,
    }
    return this.#do(() => store.publish(key, lease.epoch, token))
  }

  markSuspect(generation: number): Promise<void> {
    const { store, key } = this.#parts
    return this.#do(() => store.markSuspect(key, generation))
  }

  release(lease: Lease, retry?: { readonly until: Instant; readonly failures: number }): Promise<boolean> {
    const { store, key } = this.#parts
    const stored = retry && {
      at: Math.round(this.#onStoreClock(retry.until, lease)),
      failures: retry.failures,
    }
    return this.#do(() => store.release(key, lease.epoch, stored))
  }

  /** Calls back with the notices of this account, and with undefined where any may have been lost. */
  watch(onNotice: (notice: Notice | undefined) => void): Cancel {
    const { store, key } = this.#parts
    return store.watch((notice) => {
      if (!notice || notice.key === key) onNotice(notice)
    })
  }

  /** What is read is a little older than it looks, never younger: it ends early rather than late. */
  #known(stored: Stored, asked: Instant): Known {
    checkRecord(stored)
    const { now, epoch, token, suspectSince, spent, retry } = stored
    const { clock, recent } = this.#parts
    if (token) this.#noteSecret(token.accessToken)
    const here = (at: number): Instant => later(asked, at - now)
    // What was done lies in the past: where it does not, the store's clock was stepped back, and when is not known.
    const past = (at: number | undefined): Instant | undefined =>
      at === undefined || at > now + SAME_CLOCK ? undefined : here(at)
    // Nor has a token more to live than it ever had.
    const expires = token && here(Math.min(token.expiresAt, now + token.expiresAt - token.issuedAt))
    const ahead = now - clock.now()
    const skew = Math.abs(ahead) < SAME_CLOCK ? 0 : ahead
    return {
      token: token &&
        expires && {
          accessToken: token.accessToken,
          issuedAt: expires.wall - (token.expiresAt - token.issuedAt),
          expiresAt: expires.wall,
          generation: token.generation,
          epoch: token.epoch,
          expires,
        },
      suspect: suspectSince !== undefined,
      sinceRefused: sinceRefused(token?.epoch ?? 0, suspectSince, now - recent),
      spent: {
        dayEnds: spent.dayEnds - skew,
        calls: spent.calls,
        forced: spent.forced,
        lastCall: past(spent.lastCall),
        lastForced: past(spent.lastForced),
      },
      retry: retry && { until: here(retry.at), failures: retry.failures },
      epoch,
      skew,
    }
  }

  /** A moment on the store's clock, rather too early than too late. */
  #onStoreClock(instant: Instant, { now, readAt }: Lease): number {
    const here = instantNow(this.#parts.clock)
    const left = Math.min(instant.wall - here.wall, instant.mono - here.mono)
    return now + (here.mono - readAt.mono) + left
  }

  #noteSecret(accessToken: string): void {
    if (!this.#tokens.includes(accessToken)) this.#tokens = [accessToken, ...this.#tokens.slice(0, 2)]
  }

  /** `onFailure`: also of one that is given up, and goes on. */
  async #do<T>(operation: () => Awaitable<T>, onFailure: () => void = () => undefined): Promise<T> {
    try {
      return await within(operation(), this.#parts.clock, Math.min(this.#parts.patience, this.patience))
    } catch (error) {
      onFailure()
      const { account, secrets } = this.#parts
      const said = withoutSecrets(messageOf(error), [...secrets, ...this.#tokens])
      throw new StoreDown({
        code: 'ERR_STORE',
        message: `account ${account}: the store failed: ${said}`,
        retryable: !(error instanceof StoreOperatorError),
        account,
      })
    }
  }
}

/** An epoch is about the store's clock at the time when its lease was granted. */
function sinceRefused(
  tokenEpoch: number,
  suspectSince: number | undefined,
  recently: number,
): Known['sinceRefused'] {
  // A suspicion that the store was not told of, because it was down: nobody called because of it.
  if (suspectSince === undefined || tokenEpoch <= suspectSince) return 'no call'
  return tokenEpoch > recently ? 'the same again, just now' : 'the same again'
}

/** A module of the user's may answer anything: what is no record is a failure, and does not end the thread. */
function checkRecord({ now, epoch, token, suspectSince, spent, retry }: Stored): void {
  const optional: readonly unknown[] = [suspectSince, spent.lastCall, spent.lastForced]
  checkNumbers([
    ...[now, epoch, spent.dayEnds, spent.calls, spent.forced],
    ...optional.filter((value) => value !== undefined),
    ...(retry ? [retry.at, retry.failures] : []),
    ...(token ? [token.issuedAt, token.expiresAt, token.generation, token.epoch] : []),
  ])
  if (token !== undefined && (typeof token.accessToken !== 'string' || token.accessToken === ''))
    throw notAsTheContractSays()
}

function checkNumbers(numbers: readonly unknown[]): void {
  if (!numbers.every(Number.isFinite)) throw notAsTheContractSays()
}

function notAsTheContractSays(): Error {
  return new Error(
    'its record is not as the contract of a store says (storeContract in token-thread/testing)',
  )
}

/** What comes later than that is nobody's: an epoch makes a late write harmless. */
function within<T>(outcome: Awaitable<T>, clock: Clock, patience: number): Awaitable<T> {
  if (!(outcome instanceof Promise)) return outcome
  return new Promise((resolve, reject) => {
    const cancel = clock.timer(patience, () =>
      reject(new Error(`no answer within ${Math.round(patience)} ms`)),
    )
    outcome.then(resolve, reject).finally(cancel)
  })
}
