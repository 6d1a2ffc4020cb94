import { type Cancel, type Clock, type Instant, instantNow, later, laterOf } from '../src/clock.js'
import type { Failure } from '../src/errors.js'
import { leaseOf } from '../src/protocol.js'
import type { Notice } from '../src/store.js'
import type { Account } from './account.js'
import type { Demands } from './demands.js'
import type { Journal } from './journal.js'
import { Offers, TELL_SPREAD } from './offers.js'
import * as schedule from './schedule.js'
import { StoreHealth } from './store-health.js'
import type { AccountStore, Known, Lease } from './stores/account-store.js'

export interface FollowerParts {
  readonly account: Account
  readonly demands: Demands
  readonly store: AccountStore
  readonly clock: Clock
  readonly random: () => number
  readonly journal: Journal
  /** A fetch makes all other tokens void. */
  readonly retires: boolean
  readonly wake: () => void
}

/** What came of knocking at the store: a lease, another's, or that the store can't be used. */
export type Knock = { readonly lease: Lease } | { readonly held: true } | { readonly down: Failure }

/** Slow polls of many nodes are spread over this share of the time between them. */
const POLL_JITTER = 0.2

/**
 * What one node and its store know of each other: when to read again (on a notice, after a reconnection, slowly by
 * itself), and what the store does not have yet.
 */
export class Follower {
  readonly #parts: FollowerParts
  readonly #offers: Offers
  readonly #health: StoreHealth
  /** When the store is read again; undefined: never, nobody else writes it. */
  readAt: Instant | undefined
  /** Another node has the lease: when to try again. */
  knockAt: Instant | undefined
  /** The token is suspect: this node's turn to see to that. */
  healAt: Instant | undefined
  /** Until then the answer to another node's forced call may come. */
  forcedElsewhereUntil: Instant | undefined
  /** Calls in a row whose lease was lost, or whose token the store refused. */
  #lost = 0
  #notices = 0
  /** How often the lease was another's, in a row. */
  #knocks = 0
  /** A call of ours was late, and what the store has come to meanwhile is not known yet. */
  #wasLate = false
  /** The store's epoch when a call of ours was late: no token of that generation or an older one can be trusted. */
  #late = 0
  /** A token of ours that the store was to have and perhaps does not. */
  #unpublished: number | undefined
  #marking: Promise<void> = Promise.resolve()

  constructor(parts: FollowerParts) {
    this.#parts = parts
    this.#offers = new Offers(parts)
    this.#health = new StoreHealth(parts)
  }

  /** The store lacks something that this node has, or can be read again and perhaps written: its turn to see to that. */
  get offerAt(): Instant | undefined {
    return this.#health.isDown ? this.#health.probeAt : this.#offers.at
  }

  watch(): Cancel {
    const { store, account } = this.#parts
    return store.watch((notice: Notice | undefined) => {
      const { generation = Infinity, suspect = false } = notice ?? {}
      if (!suspect) this.#offers.heard(generation)
      if (generation > account.generation || (suspect && generation === account.generation)) this.#readNow()
    })
  }

  /** Others may not have told the store yet of what they did while it was gone. */
  get mayBeUntold(): boolean {
    return this.#health.wasDownWithin(TELL_SPREAD)
  }

  mayGoAlone(failure: Failure): boolean {
    return this.#health.mayGoAlone(failure)
  }

  /** Looks into the store; what it says is taken over. It never throws. */
  async read(): Promise<void> {
    const { store } = this.#parts
    const notices = this.#notices
    this.#bound()
    try {
      const known = await store.load()
      this.#nextRead(notices)
      this.#health.read()
      this.took(known)
    } catch (error) {
      this.failed(error, 'read')
    }
  }

  /** Takes the lease for `duration` ms, if it is free. */
  async knock(duration: number): Promise<Knock> {
    const { store, account, clock, random } = this.#parts
    const notices = this.#notices
    this.knockAt = undefined
    const { refusal } = this.#health
    if (refusal) return { down: refusal }
    this.#bound()
    try {
      await this.#marking
      const answer = await store.acquire(duration, Math.max(account.state.epoch, account.generation))
      this.#nextRead(notices)
      if ('lease' in answer) {
        this.#health.acquired()
        this.#knocks = 0
        this.took(answer.lease)
        // Who has the lease knows that no other call is under way.
        this.forcedElsewhereUntil = undefined
        return answer
      }
      this.#health.read()
      this.took(answer.known)
      // Its holder lets go of it as soon as it is done, and nobody tells: the end of the lease is when it died.
      this.#knocks += 1
      const again = later(instantNow(clock), schedule.backoff(this.#knocks, account.config.retry, random))
      this.knockAt = again.mono < answer.heldUntil.mono ? again : answer.heldUntil
      return { held: true }
    } catch (error) {
      this.forcedElsewhereUntil = undefined
      return { down: this.failed(error) }
    }
  }

  /**
   * Lets go of a lease: what it was for is done, or came to nothing. `tellsFailure`: others wait as long as we do.
   * Resolves to whether it was still ours; undefined: there was none, or nobody knows.
   */
  async release(lease: Lease | undefined, tellsFailure = false): Promise<boolean | undefined> {
    const { account, store, clock } = this.#parts
    if (!lease) return undefined
    const { wait, failures } = account.state
    const until = tellsFailure ? wait?.until : undefined
    try {
      const isOurs = await store.release(lease, until && { until, failures })
      this.#health.released()
      // Others come first: this node may be the only one that does not get through.
      const turns = until && later(until, schedule.turnsAfter(until.mono - clock.monotonic()))
      if (turns) account.tell('none', { due: laterOf(account.state.due, turns) })
      return isOurs
    } catch (error) {
      this.failed(error)
      return undefined
    }
  }

  /** A record was read: what is newer is taken over, what is older is offered. */
  took(known: Known): void {
    const { account, demands, store, clock, random, retires } = this.#parts
    const before = account.state
    const isNewer = account.adopt(known)
    if (isNewer && before.token && before.token.accessToken === known.token?.accessToken) {
      demands.renumber(before.token.generation, account.generation)
      if (before.suspect) this.suspect(account.generation)
    } else if (isNewer) demands.forceNext = false
    // Two that were got in the same ms, one of them without the store: neither is newer, so both have to go.
    const isOther = !isNewer && known.token?.generation === account.generation
    if (isOther && known.token.accessToken !== before.token?.accessToken) this.suspect(account.generation)
    if (isNewer) this.#knocks = this.#lost = 0
    const { lastForced } = account.state.spent
    if (store.isShared && lastForced && lastForced.mono > (before.spent.lastForced?.mono ?? -Infinity))
      this.forcedElsewhereUntil = later(lastForced, leaseOf(account.config.timeout))
    // A token of ours that lost against another one was perhaps fetched after that.
    if (isNewer && this.#unpublished !== undefined && retires) this.#wasLate = true
    if (isNewer || known.token?.generation === this.#unpublished) this.#unpublished = undefined
    if (this.#wasLate) this.#late = known.epoch
    if ((this.#wasLate || isNewer) && account.generation <= this.#late) this.suspect(account.generation)
    this.#wasLate = false
    const { suspect } = account.state
    // The store was down when it was said.
    if (suspect && !known.suspect && known.token?.generation === account.generation) this.#mark()
    const isOpen = suspect && known.sinceRefused === 'no call'
    this.healAt = isOpen
      ? (this.healAt ?? schedule.spreadOut(clock, schedule.soon(account.margin), random))
      : undefined
    this.#offers.took(known)
  }

  /** Puts into the store what it lacks. */
  async offer(lease: Lease): Promise<void> {
    try {
      if (await this.#offers.make(lease)) this.#unpublished = undefined
    } catch (error) {
      this.failed(error)
    }
  }

  /** An API refused the token of this generation, or may do so. All nodes hear of it. */
  suspect(generation: number): void {
    const { account, clock } = this.#parts
    if (generation !== account.generation) return
    this.healAt = instantNow(clock)
    if (account.state.suspect) return
    account.tell('none', { suspect: true })
    this.#mark()
  }

  #mark(): void {
    const { account, store } = this.#parts
    this.#marking = store.markSuspect(account.generation).catch((error: unknown) => {
      this.failed(error)
    })
  }

  /**
   * A call of ours went out under a lease that is no longer ours, on an endpoint where a fetch makes the others' token
   * void: the token that the fleet has now, and the one that another node is just getting, may be void.
   */
  lateCall(): Promise<void> {
    this.#wasLate = true
    return this.lost()
  }

  /** The store was to have the token of this generation; where it is not known whether it does, that is offered. */
  published(generation: number, isKnown: boolean): void {
    this.#unpublished = isKnown ? undefined : generation
  }

  /** A call came to nothing because its lease was lost. Whoever has it is likely to be done soon. */
  async lost(): Promise<void> {
    const { account, clock, random } = this.#parts
    await this.read()
    this.#lost += 1
    this.knockAt = later(instantNow(clock), schedule.backoff(this.#lost, account.config.retry, random))
  }

  /** Resolves when the store has heard of what was said to it. */
  settled(): Promise<void> {
    return this.#marking
  }

  /** The store can't be used. */
  failed(error: unknown, doing: 'read' | 'write' = 'write'): Failure {
    const { failure, tryAt } = this.#health.failed(error, doing)
    this.readAt = tryAt
    // When it can be read again, that says whether it still lacks our token.
    this.#offers.at = undefined
    return failure
  }

  /** `notices`: how many had come when the store was asked. What a later one tells of may be newer than its answer. */
  #nextRead(notices: number): void {
    const { store, clock, random } = this.#parts
    const every = store.pollEvery * (1 + POLL_JITTER * (random() - 0.5))
    if (notices === this.#notices) this.readAt = store.isShared ? later(instantNow(clock), every) : undefined
  }

  /** A store that hangs must not take up the margin. */
  #bound(): void {
    const { account, store } = this.#parts
    store.patience = account.left > 0 ? account.margin / 4 : Infinity
  }

  #readNow(): void {
    this.#notices += 1
    this.readAt = instantNow(this.#parts.clock)
    this.#parts.wake()
  }
}
