import { type Clock, type Instant, laterOf, reached } from '../src/clock.js'
import type { Failure } from '../src/errors.js'
import type { AccountConfig, AccountState } from '../src/protocol.js'
import type { Demands } from './demands.js'
import { fetchLimit, tokenRefused } from './failures.js'
import * as schedule from './schedule.js'

export interface Call {
  readonly at: Instant
  readonly forced: boolean
  readonly asker: schedule.Asker
}

/** Which call comes next, and which demands can't wait for it: floor, waits, budget and force limits put together. */
export class Planner {
  readonly #account: AccountConfig
  readonly #limits: schedule.Limits
  readonly #clock: Clock
  readonly #demands: Demands

  constructor(account: AccountConfig, limits: schedule.Limits, clock: Clock, demands: Demands) {
    this.#account = account
    this.#limits = limits
    this.#clock = clock
    this.#demands = demands
  }

  /** The next call, after the demands that are met already, or can't be in time, were answered. */
  plan(state: AccountState, notBefore: Instant | undefined): Call {
    this.judgeRefreshes(state)
    this.#judgeRejects(state, this.#next(state, notBefore).at)
    return this.#next(state, notBefore)
  }

  /** A refresh beyond a limit fails at once; the floor is no limit. */
  judgeRefreshes(state: AccountState): void {
    const { spent, wait } = state
    const limit = wait?.why === 'limit' && !reached(wait.until, this.#clock) ? wait.until : undefined
    const opens = limit ?? schedule.budgetOpensAt(spent, 'caller', this.#clock, this.#limits)
    this.#demands.judgeRefreshes(({ calls }) => {
      const from = opens ?? this.forcedFrom(state, calls)
      return from ? fetchLimit(this.#account.id, from, causeOf(state)) : 'waits'
    })
  }

  /** When so many forced calls may begin; undefined: now. */
  forcedFrom({ forceOpensAt, spent }: AccountState, calls: number): Instant | undefined {
    if (!this.#limits.force) return undefined
    if (forceOpensAt && !reached(forceOpensAt, this.#clock)) return forceOpensAt
    return schedule.forceOpensAt(spent, calls, this.#clock, this.#limits)
  }

  #judgeRejects(state: AccountState, at: Instant): void {
    const { token, spent, wait } = state
    const budget = schedule.budgetOpensAt(spent, 'caller', this.#clock, this.#limits)
    this.#demands.judgeRejects(({ generation, until }) => {
      if (generation < (token?.generation ?? 0)) return 'served'
      const opens = budget ?? (this.#demands.forceNext ? this.forcedFrom(state, 1) : undefined)
      if (opens) return tokenRefused(this.#account.id, opens, causeOf(state))
      const hopeless = wait?.why === 'operator' || at.mono > until.mono
      return hopeless ? tokenRefused(this.#account.id, at, causeOf(state)) : 'waits'
    })
  }

  #next({ due, spent, wait }: AccountState, notBefore: Instant | undefined): Call {
    const floor = schedule.floorAt(spent, this.#account.retry, this.#clock)
    const soonest = notBefore ? laterOf(floor, notBefore) : floor
    if (this.#demands.refreshing)
      return { at: soonest, forced: this.#limits.force !== undefined, asker: 'caller' }
    if (this.#demands.rejected) {
      const at = wait ? laterOf(soonest, wait.until) : soonest
      return { at, forced: this.#demands.forceNext, asker: 'caller' }
    }
    return { at: laterOf(due, soonest), forced: false, asker: 'schedule' }
  }
}

function causeOf({ failures, lastFailure }: AccountState): Failure | undefined {
  return failures > 0 ? lastFailure?.failure : undefined
}
