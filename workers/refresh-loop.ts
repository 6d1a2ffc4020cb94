import type { Alarm } from '../src/alarm.js'
import { type Clock, type Instant, instantNow, later, reached } from '../src/clock.js'
import type { Failure } from '../src/errors.js'
import type { AccountConfig, AccountState, News } from '../src/protocol.js'
import {
  adopted,
  afterGrant,
  afterRefusal,
  freshState,
  grantedToken,
  notOver,
  resumedState,
} from './account-state.js'
import { Demands, type Refresh } from './demands.js'
import { fetchLimit, tokenRefused } from './failures.js'
import type { Issuer } from './issuer.js'
import type { Journal } from './journal.js'
import type { Answer, Grant, Refusal } from './providers/provider.js'
import { type Call, Planner } from './planner.js'
import * as schedule from './schedule.js'
import type { Lease, Store, Stored } from './stores/store.js'

export interface LoopParts {
  readonly account: AccountConfig
  /** What the last thread knew. */
  readonly known: AccountState | undefined
  readonly issuer: Issuer
  readonly store: Store
  readonly clock: Clock
  readonly alarm: Alarm
  readonly random: () => number
  readonly journal: Journal
  /** Tells every reader. */
  readonly publish: (state: AccountState, news: News) => void
  /** Answers a demand: with undefined where a newer token was published before. */
  readonly answer: (id: number, failure: Failure | undefined) => void
}

/**
 * One account's `while (true) { fetch; publish; sleep }`. Everything it touches is handed in: on a virtual clock it
 * runs without a thread, a network or a wait.
 */
export class RefreshLoop {
  readonly #parts: LoopParts
  readonly #demands: Demands
  readonly #planner: Planner
  readonly #closing = new AbortController()
  #state: AccountState
  #wake: () => void = () => undefined
  /** Another node published: read the store again. */
  #stale = false
  /** The day, by its end, of which was said that it is nearly spent. */
  #warnedForDay: number | undefined
  /** Another node has the lease: knock again then. */
  #knockAt: Instant | undefined

  constructor(parts: LoopParts) {
    this.#parts = parts
    this.#demands = new Demands((id, failure) => parts.answer(id, failure))
    this.#planner = new Planner(parts.account, parts.issuer.limits, parts.clock, this.#demands)
    this.#state = parts.known ? resumedState(parts.known, parts.clock) : freshState(parts.clock)
  }

  get state(): AccountState {
    return this.#state
  }

  async run(): Promise<void> {
    const { store } = this.#parts
    const unwatch = store.watch(() => this.#reload())
    this.#adopt(await store.load())
    for (;;) {
      const call = await this.#nextCall() // Thread.sleep(...), or Thread.interrupt()
      if (!call) break
      const lease = await store.acquire()
      if (this.#stillNeeded(lease)) {
        const refreshes = this.#demands.takeRefreshes()
        const began = instantNow(this.#parts.clock)
        const answer = notOver(await this.#fetch(call, lease), began, this.#parts.clock) // getAccessToken()
        if (this.#closing.signal.aborted) break
        if (answer.granted)
          await this.#granted(call, lease, answer, began, refreshes) // accessToken = ...
        else await this.#refused(call, lease, answer, refreshes)
      }
      if (lease) await store.release(lease)
    }
    unwatch()
    await store.close()
  }

  /** An API refused the token of this generation. */
  reject(id: number, generation: number): void {
    const { clock, account, store, publish } = this.#parts
    this.#demands.addReject({ id, generation, until: later(instantNow(clock), 2 * account.timeout) })
    if (generation === this.#state.token?.generation && !this.#state.suspect) {
      void store.markSuspect(generation)
      this.#state = { ...this.#state, suspect: true }
      publish(this.#state, 'none')
    }
    this.#wake()
  }

  /** An operator's refresh. */
  refresh(demand: Refresh): void {
    this.#demands.addRefresh(demand)
    // At once, also while a call is in flight: what a limit forbids need not wait for it.
    this.#planner.judgeRefreshes(this.#state)
    this.#wake()
  }

  /** Whoever asked waits no more. */
  cancel(id: number): void {
    this.#demands.cancel(id)
    this.#wake()
  }

  /** Looks at the clocks and the demands again. */
  look(): void {
    this.#wake()
  }

  close(): void {
    this.#closing.abort()
    this.#wake()
  }

  #reload(): void {
    this.#stale = true
    this.#wake()
  }

  /** Sleeps until the schedule, a rejection or an operator wants a call and floor, waits and limits allow it. */
  async #nextCall(): Promise<Call | undefined> {
    const { clock, store } = this.#parts
    while (!this.#closing.signal.aborted) {
      if (this.#stale) {
        this.#stale = false
        this.#adopt(await store.load())
      }
      const call = this.#planner.plan(this.#state, this.#knockAt)
      if (reached(call.at, clock)) return call
      await this.#sleep(call.at)
    }
    return undefined
  }

  #sleep(until: Instant): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#parts.alarm.set(until, resolve)
      this.#wake = () => {
        cancel()
        resolve()
      }
    })
  }

  /** With the lease in hand the store is read again: perhaps another node was faster. */
  #stillNeeded(lease: Lease | undefined): lease is Lease {
    const { account, clock } = this.#parts
    this.#knockAt = lease ? undefined : later(instantNow(clock), account.retry.minDelay)
    return lease !== undefined && !this.#adopt(lease)
  }

  #adopt(stored: Stored): boolean {
    const { account, random, publish } = this.#parts
    const newer = (stored.token?.generation ?? 0) > (this.#state.token?.generation ?? 0)
    this.#state = adopted(this.#state, stored, account, random)
    if (newer) publish(this.#state, 'token')
    return newer
  }

  async #fetch({ forced, asker }: Call, lease: Lease): Promise<Answer> {
    const { account, clock, issuer, store, publish, journal } = this.#parts
    const { limits } = issuer
    const opens = schedule.budgetOpensAt(this.#state.spent, asker, clock, limits)
    if (opens)
      return {
        granted: false,
        failure: fetchLimit(account.id, opens, undefined),
        wait: { why: 'limit', ms: 'day' },
      }
    // Counted, and said so, before it is sent: a thread that dies now must not have fetched for nothing.
    const spent = await store.spend(lease, forced, limits)
    this.#state = { ...this.#state, spent, inFlight: true }
    publish(this.#state, 'none')
    if (schedule.nearsLimit(spent, limits) && this.#warnedForDay !== spent.dayEnds) {
      this.#warnedForDay = spent.dayEnds
      journal.nearsLimit(spent, limits.perDay)
    }
    return issuer.fetch(forced, this.#closing.signal)
  }

  async #granted(
    call: Call,
    lease: Lease,
    grant: Grant,
    began: Instant,
    refreshes: readonly Refresh[],
  ): Promise<void> {
    const { account, clock, store, random, journal, publish } = this.#parts
    const known = this.#state.token
    const token = grantedToken(grant, began, known, lease.epoch)
    const isNew = token.generation !== known?.generation
    if (!(await store.publish(lease, token))) {
      // The lease was lost meanwhile: what the store holds now counts, and what was asked for is asked again.
      for (const refresh of refreshes) this.#demands.addRefresh(refresh)
      this.#state = { ...this.#state, inFlight: false }
      return this.#reload()
    }
    const afterFailures = this.#state.failures
    this.#state = afterGrant(this.#state, token, grant.life, account, clock, random)
    publish(this.#state, isNew ? 'token' : 'none')
    if (isNew) journal.refreshed(token, this.#state.due, afterFailures)
    else if (this.#demands.rejected) this.#sameAgain()
    // An issuer whose forced call brings the old token was forced by somebody else a moment ago.
    const forcedInVain = !isNew && call.forced ? this.#planner.forcedFrom(this.#state, 1) : undefined
    this.#demands.answer(refreshes, forcedInVain && fetchLimit(account.id, forcedInVain, undefined))
  }

  /** The refused token itself came back: only a forced call can replace it, as soon as the limits allow one. */
  #sameAgain(): void {
    const { account, issuer } = this.#parts
    if (issuer.limits.force) this.#demands.forceNext = true
    else this.#demands.judgeRejects(() => tokenRefused(account.id, undefined, undefined))
  }

  async #refused(
    { forced }: Call,
    lease: Lease,
    refusal: Refusal,
    refreshes: readonly Refresh[],
  ): Promise<void> {
    const { account, clock, issuer, store, random, journal, publish } = this.#parts
    if (refusal.sent === false) {
      const spent = await store.refund(lease, forced)
      this.#state = { ...this.#state, spent }
    }
    const live = this.#state.expires !== undefined && !reached(this.#state.expires, clock)
    const before = this.#state
    const after = afterRefusal(before, refusal, account, issuer.limits, clock, random)
    const ofTheDay = refusal.wait.why === 'limit' && refusal.wait.ms === 'day'
    // The day's limit of forced calls says nothing about normal ones: the schedule stays as it was.
    const keeps = { due: before.due, wait: before.wait, failures: before.failures, forceOpensAt: after.due }
    this.#state = forced && ofTheDay ? { ...after, ...keeps } : after
    publish(this.#state, 'failure')
    const failure = after.lastFailure?.failure ?? refusal.failure
    journal.failed(failure, this.#state.due, live)
    this.#demands.answer(
      refreshes,
      refusal.wait.why === 'limit' ? fetchLimit(account.id, after.due, failure) : failure,
    )
  }
}
