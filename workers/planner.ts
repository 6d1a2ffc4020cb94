import { type Clock, type Instant, laterOf, reached } from '../src/clock.js'
import type { Failure } from '../src/errors.js'
import type { AccountState } from '../src/protocol.js'
import type { Account } from './account.js'
import type { Demands } from './demands.js'
import { fetchLimit, tokenRefused } from './failures.js'
import * as schedule from './schedule.js'

export interface Call {
  readonly at: Instant
  readonly forced: boolean
  readonly asker: schedule.Asker
  /** Only to put a token into the store that it does not have. */
  readonly offer: boolean
}

/** What the store asks of this node: see `Follower`. */
export interface StoreWishes {
  readonly knockAt: Instant | undefined
  readonly healAt: Instant | undefined
  readonly offerAt: Instant | undefined
  readonly forcedElsewhereUntil: Instant | undefined
}

/** Which call comes next, and which demands can't wait for it: floor, waits, budget and force limits put together. */
export class Planner {
  readonly #account: Account
  readonly #clock: Clock
  readonly #demands: Demands

  constructor(account: Account, clock: Clock, demands: Demands) {
    this.#account = account
    this.#clock = clock
    this.#demands = demands
  }

  /** The next call, after the demands that are met already, or can't be in time, were answered. */
  plan(state: AccountState, wishes: StoreWishes): Call {
    this.judgeRefreshes(state)
    this.#judgeRejects(state, this.#next(state, wishes).at, wishes)
    return this.#next(state, wishes)
  }

  /** A refresh beyond a limit fails at once; the floor is no limit. */
  judgeRefreshes(state: AccountState): void {
    const { spent, wait } = state
    const limit = wait?.why === 'limit' && !reached(wait.until, this.#clock) ? wait.until : undefined
    const opens = limit ?? schedule.budgetOpensAt(spent, 'caller', this.#clock, this.#account.limits)
    this.#demands.judgeRefreshes(({ calls }) => {
      const from = opens ?? this.forcedFrom(state, calls)
      return from ? fetchLimit(this.#account.config.id, from, causeOf(state)) : 'waits'
    })
  }

  /** When so many forced calls may begin; undefined: now. */
  forcedFrom({ forceOpensAt, spent }: AccountState, calls: number): Instant | undefined {
    if (!this.#account.limits.force) return undefined
    if (forceOpensAt && !reached(forceOpensAt, this.#clock)) return forceOpensAt
    return schedule.forceOpensAt(spent, calls, this.#clock, this.#account.limits)
  }

  #judgeRejects(state: AccountState, at: Instant, { forcedElsewhereUntil }: StoreWishes): void {
    const { token, spent, wait } = state
    const budget = schedule.budgetOpensAt(spent, 'caller', this.#clock, this.#account.limits)
    this.#demands.judgeRejects(({ generation, until }) => {
      if (generation < (token?.generation ?? 0)) return 'served'
      // The forced call that the limits count may be under way, for the same token.
      const isAwaited = forcedElsewhereUntil && !reached(forcedElsewhereUntil, this.#clock)
      const mustForce = this.#demands.forceNext && !isAwaited
      const opens = budget ?? (mustForce ? this.forcedFrom(state, 1) : undefined)
      if (opens) return tokenRefused(this.#account.config.id, opens, causeOf(state))
      const isOperators = wait?.why === 'operator' && !reached(wait.until, this.#clock)
      const hopeless = isOperators || at.mono > until.mono
      return hopeless ? tokenRefused(this.#account.config.id, at, causeOf(state)) : 'waits'
    })
  }

  #next(state: AccountState, wishes: StoreWishes): Call {
    const { knockAt, offerAt } = wishes
    const call = this.#nextFetch(state, wishes)
    const at = knockAt ? laterOf(call.at, knockAt) : call.at
    const offer = offerAt && knockAt ? laterOf(offerAt, knockAt) : offerAt
    return offer && offer.mono < at.mono ? { ...call, at: offer, offer: true } : { ...call, at }
  }

  #nextFetch(state: AccountState, { healAt }: StoreWishes): Call {
    const { due, spent, wait } = state
    const floor = schedule.floorAt(spent, this.#account.config.retry, this.#clock)
    if (this.#demands.refreshing)
      return { at: floor, forced: this.#account.limits.force !== undefined, asker: 'caller', offer: false }
    const soonest = wait ? laterOf(floor, wait.until) : floor
    if (this.#demands.rejected)
      return { at: soonest, forced: this.#demands.forceNext, asker: 'caller', offer: false }
    const scheduled = laterOf(due, soonest)
    const heal = healAt && laterOf(healAt, soonest)
    const mayHeal = !schedule.budgetOpensAt(spent, 'caller', this.#clock, this.#account.limits)
    return heal && mayHeal && heal.mono < scheduled.mono
      ? { at: heal, forced: false, asker: 'caller', offer: false }
      : { at: scheduled, forced: false, asker: 'schedule', offer: false }
  }
}

function causeOf({ failures, lastFailure }: AccountState): Failure | undefined {
  return failures > 0 ? lastFailure?.failure : undefined
}
