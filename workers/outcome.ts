import { type Clock, type Instant, later, laterOf } from '../src/clock.js'
import type { Spent } from '../src/protocol.js'
import type { Account } from './account.js'
import { afterGrant, afterRefusal, grantedToken, uncounted } from './account-state.js'
import type { Demands, Refresh } from './demands.js'
import { fetchLimit, tokenRefused } from './failures.js'
import type { Follower } from './follower.js'
import type { Issuer } from './issuer.js'
import type { Journal } from './journal.js'
import { earlyRefusal, renewedByOthers } from './outsiders.js'
import type { Call, Planner } from './planner.js'
import type { Grant, Refusal } from './providers/provider.js'
import * as schedule from './schedule.js'
import type { AccountStore, KnownToken, Lease } from './stores/account-store.js'

export interface OutcomeParts {
  readonly account: Account
  readonly issuer: Issuer
  readonly store: AccountStore
  readonly follower: Follower
  readonly planner: Planner
  readonly demands: Demands
  readonly journal: Journal
  readonly clock: Clock
  readonly random: () => number
}

/** One call as it is made: under a lease, or alone while the store is down. */
export interface Attempt {
  readonly call: Call
  readonly lease: Lease | undefined
  readonly refreshes: readonly Refresh[]
  /** The token had been refused when the call was made: the same one again then says that only a forced call helps. */
  readonly wasRefused: boolean
  /** The day's count without this call. */
  readonly spentBefore: Spent
  readonly began: Instant
}

/** What follows from a call's answer, for the account, for the store and for those who asked for it. */
export class Outcome {
  readonly #parts: OutcomeParts

  constructor(parts: OutcomeParts) {
    this.#parts = parts
  }

  async granted(attempt: Attempt, grant: Grant): Promise<void> {
    const { account, clock, random, journal, follower, demands, issuer, planner } = this.#parts
    const { call, lease, refreshes, began } = attempt
    const before = account.state
    const generation = lease?.epoch ?? account.nextGeneration(began)
    const token = grantedToken(grant, began, before.token, generation)
    const isNew = token.generation !== before.token?.generation
    const published = lease ? await this.#publish(lease, token) : 'down'
    if (published === 'refused') {
      // The lease was lost meanwhile: what the store holds now counts, and what was asked for is asked again.
      demands.putBack(refreshes)
      account.tell('none', { inFlight: false })
      journal.tokenRefused()
      await follower.release(lease)
      return issuer.retires ? follower.lateCall() : follower.lost()
    }
    follower.healAt = undefined
    if (isNew) demands.forceNext = false
    follower.published(token.generation, published === 'published')
    const servedFirst = before.servedFirst + (published === 'down' && isNew ? 1 : 0)
    const after = afterGrant(account.state, token, grant.life, account.config, clock, random)
    const outsiders = before.outsiders + (isNew && this.#seesOutsiders(attempt, before, grant) ? 1 : 0)
    account.tell(isNew ? 'token' : 'none', {
      ...after,
      tokenEpoch: lease && published === 'published' ? lease.epoch : before.tokenEpoch,
      servedFirst,
      outsiders,
    })
    if (isNew) journal.refreshed(token, after.due, before.failures)
    else if (attempt.wasRefused && demands.rejected) this.#sameAgain()
    // An issuer whose forced call brings the old token was forced by somebody else a moment ago.
    const forcedInVain = !isNew && call.forced ? planner.forcedFrom(account.state, 1) : undefined
    demands.answer(refreshes, forcedInVain && fetchLimit(account.config.id, forcedInVain, undefined))
    await follower.release(lease)
  }

  async #publish(lease: Lease, token: KnownToken): Promise<'published' | 'refused' | 'down'> {
    const { store, follower } = this.#parts
    try {
      return (await store.publish(lease, token)) ? 'published' : 'refused'
    } catch (error) {
      // Its fetch was under way when the store went: it is served first, and offered when the store is back.
      follower.failed(error)
      return 'down'
    }
  }

  #seesOutsiders(attempt: Attempt, before: Account['state'], { life }: Grant): boolean {
    const { account, store, issuer, journal, demands, follower } = this.#parts
    const { call, lease, spentBefore, began } = attempt
    const seen = {
      before,
      spent: spentBefore,
      began,
      life,
      margin: account.margin,
      forced: call.forced,
      wasRefused: demands.rejected,
      retires: issuer.retires,
    }
    // Who refreshes alone does not know what the others do; nor does anybody just after, as long as they may not have told.
    if (!lease || follower.mayBeUntold) return false
    // Processes that share no store are each other's outsiders where all get the same token: that is no trouble.
    const what = earlyRefusal(seen) ?? (store.isShared ? renewedByOthers(seen) : undefined)
    if (what !== undefined) journal.outsider(what)
    return what !== undefined
  }

  /** The refused token itself came back: only a forced call can replace it, as soon as the limits allow one. */
  #sameAgain(): void {
    const { account, demands } = this.#parts
    if (account.limits.force) demands.forceNext = true
    else demands.judgeRejects(() => tokenRefused(account.config.id, undefined, undefined))
  }

  async refused({ call, lease, refreshes }: Attempt, refusal: Refusal): Promise<void> {
    const { account, clock, random, journal, demands, store, issuer, follower } = this.#parts
    const { inFlight } = account.state
    const wasSent = inFlight && refusal.sent !== false
    if (inFlight && !wasSent) account.set(uncounted(account.state, call.forced))
    const live = account.left > 0
    const before = account.state
    const after = afterRefusal(before, refusal, account.config, account.limits, clock, random)
    const ofTheDay = refusal.wait.why === 'limit' && refusal.wait.ms === 'day'
    // The day's limit of forced calls says nothing about normal ones: the schedule stays as it was.
    const keeps = { due: before.due, wait: before.wait, failures: before.failures, forceOpensAt: after.due }
    // Nor does what callers asked for: whether it is tried again is theirs, and of their part of the budget.
    const due = call.asker === 'caller' ? laterOf(before.due, after.due) : after.due
    // All nodes hear of a day's limit at once, and its end is the same moment for all.
    const turn = schedule.turnsAfter(due.mono - clock.monotonic())
    const spread = ofTheDay && store.isShared ? later(due, random() * turn) : due
    account.tell('failure', { ...after, due: spread, ...(call.forced && ofTheDay && keeps) })
    // Only an errcode says that no token was made. After a call of the schedule the next one is near, a caller's may be the last.
    if (issuer.retires && wasSent && refusal.failure.errcode === undefined && call.asker === 'caller')
      follower.suspect(account.generation)
    const failure = after.lastFailure?.failure ?? refusal.failure
    journal.failed(failure, account.state.due, live)
    demands.answer(
      refreshes,
      refusal.wait.why === 'limit' ? fetchLimit(account.config.id, after.due, failure) : failure,
    )
    // Of what the issuer said all nodes are told; what only this one met (no way there, an operator's error) is its own.
    const isEverybodys = store.isShared && wasSent && refusal.wait.why !== 'operator' && !ofTheDay
    const isOurs = await follower.release(lease, isEverybodys)
    if (lease && isOurs === false && wasSent && issuer.retires) await follower.lateCall()
  }
}
