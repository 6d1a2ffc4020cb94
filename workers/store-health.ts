import { type Clock, type Instant, instantNow, later, reached } from '../src/clock.js'
import type { Failure } from '../src/errors.js'
import type { Account } from './account.js'
import type { Journal } from './journal.js'
import * as schedule from './schedule.js'
import { StoreDown } from './stores/account-store.js'

export interface StoreHealthParts {
  readonly account: Account
  readonly clock: Clock
  readonly random: () => number
  readonly journal: Journal
}

type Doing = 'read' | 'write'

/** Whether the store can be used, as this node has found it, and when it is tried again. */
export class StoreHealth {
  readonly #parts: StoreHealthParts
  #down: Failure | undefined
  #failures = 0
  #tryAt: Instant | undefined
  /** A write failed and none was done since: a full disk or a replica can be read all the time. */
  #cannotWrite = false
  #canRead = true
  /** Nothing has failed since the lease was taken. */
  #isClean = false
  #upSince: Instant | undefined

  constructor(parts: StoreHealthParts) {
    this.#parts = parts
  }

  get isDown(): boolean {
    return this.#down !== undefined
  }

  /** It was down a moment ago: why. A token that is about to end does not wait for it to say so again. */
  get refusal(): Failure | undefined {
    const isSoon = this.#tryAt !== undefined && !reached(this.#tryAt, this.#parts.clock)
    return isSoon && !this.#canRead ? this.#down : undefined
  }

  /** It can be read again: when to find out whether it can be written. */
  get probeAt(): Instant | undefined {
    return this.#cannotWrite && this.#canRead ? this.#tryAt : undefined
  }

  /** For so long after it was gone others may not have told it of what they did meanwhile. ms */
  wasDownWithin(ms: number): boolean {
    return this.#upSince !== undefined && !reached(later(this.#upSince, ms), this.#parts.clock)
  }

  /** Of an account that never had a token, a store that is set up wrongly is said at once. */
  mayGoAlone({ retryable }: Failure): boolean {
    const { account } = this.#parts
    return account.config.onStoreDown === 'refreshAlone' && (retryable || account.state.token !== undefined)
  }

  /** Gives why, and when it is tried again. Throws what is no failure of the store. */
  failed(error: unknown, doing: Doing): { readonly failure: Failure; readonly tryAt: Instant } {
    if (!(error instanceof StoreDown)) throw error
    const { account, clock, random, journal } = this.#parts
    const { onStoreDown, retry } = account.config
    const { failure } = error
    this.#failures += 1
    this.#down = failure
    this.#canRead = false
    if (doing === 'write') this.#cannotWrite = true
    this.#isClean = false
    journal.storeDown(
      failure,
      onStoreDown === 'refreshAlone'
        ? 'meanwhile this process refreshes by itself'
        : 'meanwhile the token serves until it expires, and is not refreshed',
    )
    if (!account.state.isStoreDown) account.tell('none', { isStoreDown: true })
    const tryAt = later(instantNow(clock), schedule.backoff(this.#failures, retry, random))
    this.#tryAt = tryAt
    return { failure, tryAt }
  }

  /** A lease was taken. */
  acquired(): void {
    this.#isClean = true
    this.read()
  }

  /** A lease was let go of, after whatever was written under it. */
  released(): void {
    if (this.#isClean) this.#cannotWrite = false
    this.#works()
  }

  read(): void {
    const { account, clock, random } = this.#parts
    // All nodes may see that at the same moment.
    if (this.#cannotWrite && !this.#canRead)
      this.#tryAt = schedule.spreadOut(clock, schedule.soon(account.left), random)
    this.#canRead = true
    this.#works()
  }

  #works(): void {
    const { account, clock, random, journal } = this.#parts
    if (this.#cannotWrite) return
    this.#failures = 0
    this.#down = undefined
    if (!account.state.isStoreDown) return
    journal.storeUp()
    this.#upSince = instantNow(clock)
    // What waited for the store alone is due, not for all nodes at once.
    const { wait, due } = account.state
    const isOver = wait?.why === 'store'
    const wasDue = isOver && reached(due, clock)
    account.tell('none', {
      isStoreDown: false,
      ...(isOver && { wait: undefined, failures: 0 }),
      ...(wasDue && { due: schedule.spreadOut(clock, schedule.soon(account.left), random) }),
    })
  }
}
