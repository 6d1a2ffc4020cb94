import { type Clock, type Instant, instantNow, later, laterOf, reached } from '../src/clock.js'
import type { Failure } from '../src/errors.js'
import type { Spent } from '../src/protocol.js'
import type { Account } from './account.js'
import {
  afterGrant,
  afterRefusal,
  counted,
  grantedToken,
  notOver,
  uncounted,
  waitingForStore,
} from './account-state.js'
import type { Demands, Refresh } from './demands.js'
import { fetchLimit, tokenRefused } from './failures.js'
import type { Follower } from './follower.js'
import type { Issuer } from './issuer.js'
import type { Journal } from './journal.js'
import { earlyRefusal, renewedByOthers } from './outsiders.js'
import type { Call, Planner } from './planner.js'
import type { Answer, Grant, Refusal } from './providers/provider.js'
import * as schedule from './schedule.js'
import type { AccountStore, KnownToken, Lease } from './stores/account-store.js'

export interface RotationParts {
  readonly account: Account
  readonly issuer: Issuer
  readonly store: AccountStore
  readonly follower: Follower
  readonly planner: Planner
  readonly demands: Demands
  readonly journal: Journal
  readonly clock: Clock
  readonly random: () => number
  readonly closing: AbortSignal
}

/** One call as it is made: under a lease, or alone while the store is down. */
interface Attempt {
  readonly call: Call
  readonly lease: Lease | undefined
  readonly refreshes: readonly Refresh[]
  /** The token had been refused when the call was made: the same one again then says that only a forced call helps. */
  readonly wasRefused: boolean
  /** The day's count without this call. */
  readonly spentBefore: Spent
  readonly began: Instant
}

/** Nothing was sent: the lease is another's by now, or the store went and nobody may refresh without it. */
type NotSent = { readonly notSent: 'lost' } | { readonly notSent: 'down'; readonly failure: Failure }

/** One rotation: take the lease, read again, count, fetch, publish. */
export class Rotation {
  readonly #parts: RotationParts
  /** The count of the day of which was said that it is nearly spent. */
  #warnedFor: Spent | undefined

  constructor(parts: RotationParts) {
    this.#parts = parts
  }

  async run(planned: Call): Promise<void> {
    const { account, store, follower, planner, demands, clock } = this.#parts
    const { lease: duration, call: longest } = this.#lengths()
    const knock = await follower.knock(duration)
    if ('held' in knock) return
    if ('down' in knock && (planned.offer || !this.#mayGoAlone(knock.down)))
      return planned.offer ? undefined : this.#waitForStore(knock.down, demands.takeRefreshes())
    const lease = 'lease' in knock ? knock.lease : undefined
    if (this.#isClosing()) {
      await this.#release(lease)
      return
    }
    if (lease) {
      await follower.offer(lease)
      this.#sayNearsLimit(lease.spent)
    }
    // Another node's call has just brought the refused token again: no second one is needed to know.
    if (store.isShared && lease?.sinceRefused === 'the same again, just now' && account.state.suspect)
      demands.forceNext = demands.rejected && account.limits.force !== undefined
    // Read again, plan again: perhaps another node was faster.
    const call = planner.plan(account.state, follower)
    if (!reached(call.at, clock) || call.offer) {
      await this.#release(lease)
      return
    }
    const attempt: Attempt = {
      call,
      lease,
      refreshes: demands.takeRefreshes(),
      wasRefused: demands.rejected,
      spentBefore: account.state.spent,
      began: instantNow(clock),
    }
    const answer = this.#overBudget(call) ?? (await this.#fetch(attempt, longest))
    if ('notSent' in answer) return this.#notSent(attempt, answer)
    const read = notOver(answer, attempt.began, clock)
    if (read.granted) return this.#granted(attempt, read)
    if (this.#isClosing()) return this.#leave(attempt, read)
    return this.#refused(attempt, read)
  }

  #isClosing(): boolean {
    return this.#parts.closing.aborted
  }

  /** ms. Without others there is nobody to make room for; a token that has ended says nothing of the next one's life. */
  #lengths(): { readonly lease: number; readonly call: number } {
    const { account, store } = this.#parts
    const { timeout, refreshAhead } = account.config
    if (!store.isShared) return { lease: 2 * timeout, call: timeout }
    return schedule.leaseFor(timeout, account.left > 0 ? account.margin : refreshAhead)
  }

  /** Of an account that never had a token, a store that is set up wrongly is said at once. */
  #mayGoAlone({ retryable }: Failure): boolean {
    const { account } = this.#parts
    return account.config.onStoreDown === 'refreshAlone' && (retryable || account.state.token !== undefined)
  }

  #overBudget({ asker }: Call): Refusal | undefined {
    const { account, clock } = this.#parts
    const opens = schedule.budgetOpensAt(account.state.spent, asker, clock, account.limits)
    return (
      opens && {
        granted: false,
        failure: fetchLimit(account.config.id, opens, undefined),
        wait: { why: 'limit', ms: 'day' },
      }
    )
  }

  async #fetch({ call, lease, spentBefore }: Attempt, longest: number): Promise<Answer | NotSent> {
    const { account, clock, issuer, closing } = this.#parts
    const { forced } = call
    const { limits } = account
    // Counted, and said so, before it is sent: a node that dies now must not have fetched for nothing.
    const spent = schedule.spend(spentBefore, forced, clock, limits)
    const told = lease ? await this.#spend(lease, spent) : 'untold'
    if (typeof told === 'object') return told
    account.tell('none', { ...counted(account.state, spent, forced, told), inFlight: true })
    this.#sayNearsLimit(spentBefore)
    const timeout = lease ? Math.min(longest, lease.ends.mono - clock.monotonic()) : longest
    // A process that was stopped meanwhile finds its lease over.
    if (lease && (timeout <= 0 || reached(lease.ends, clock))) {
      account.set(uncounted(account.state, forced))
      return { notSent: 'lost' }
    }
    return issuer.fetch({ forced, timeout }, closing)
  }

  /** Once a day, by the node whose calls bring the count there. */
  #sayNearsLimit(before: Spent): void {
    const { account, journal } = this.#parts
    const { spent } = account.state
    if (!schedule.nearsLimit(before, spent, account.limits)) return
    if (this.#warnedFor && schedule.sameDay(this.#warnedFor, spent)) return
    this.#warnedFor = spent
    journal.nearsLimit(spent, account.limits.perDay)
  }

  async #spend(lease: Lease, spent: Spent): Promise<'told' | 'untold' | NotSent> {
    const { store, follower } = this.#parts
    try {
      return (await store.spend(lease, spent)) ? 'told' : { notSent: 'lost' }
    } catch (error) {
      const failure = follower.failed(error)
      return this.#mayGoAlone(failure) ? 'untold' : { notSent: 'down', failure }
    }
  }

  async #notSent({ lease, refreshes }: Attempt, why: NotSent): Promise<void> {
    const { account, demands, follower } = this.#parts
    account.tell('none', { inFlight: false })
    if (why.notSent === 'down') return this.#waitForStore(why.failure, refreshes)
    for (const refresh of refreshes) demands.addRefresh(refresh)
    await this.#release(lease)
    await follower.lost()
  }

  async #granted(attempt: Attempt, grant: Grant): Promise<void> {
    const { account, clock, random, journal, follower, demands, issuer, planner } = this.#parts
    const { call, lease, refreshes, began } = attempt
    const before = account.state
    const generation = lease?.epoch ?? Math.max(account.generation + 1, Math.floor(began.wall))
    const token = grantedToken(grant, began, before.token, generation)
    const isNew = token.generation !== before.token?.generation
    const published = lease ? await this.#publish(lease, token) : 'down'
    if (published === 'refused') {
      // The lease was lost meanwhile: what the store holds now counts, and what was asked for is asked again.
      for (const refresh of refreshes) demands.addRefresh(refresh)
      account.tell('none', { inFlight: false })
      journal.tokenRefused()
      await this.#release(lease)
      return issuer.retires ? follower.lateCall() : follower.lost()
    }
    follower.healAt = undefined
    if (published === 'down') follower.unpublished(token.generation)
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
    await this.#release(lease)
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
    const { account, store, issuer, journal, demands } = this.#parts
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
    // Processes that share no store are each other's outsiders where all get the same token: that is no trouble. Nor
    // does one that refreshes alone know what the others do.
    const what = earlyRefusal(seen) ?? (store.isShared && lease ? renewedByOthers(seen) : undefined)
    if (what !== undefined) journal.outsider(what)
    return what !== undefined
  }

  /** The refused token itself came back: only a forced call can replace it, as soon as the limits allow one. */
  #sameAgain(): void {
    const { account, demands } = this.#parts
    if (account.limits.force) demands.forceNext = true
    else demands.judgeRejects(() => tokenRefused(account.config.id, undefined, undefined))
  }

  async #refused({ call, lease, refreshes }: Attempt, refusal: Refusal): Promise<void> {
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
    account.tell('failure', { ...after, due, ...(call.forced && ofTheDay && keeps) })
    const failure = after.lastFailure?.failure ?? refusal.failure
    journal.failed(failure, account.state.due, live)
    demands.answer(
      refreshes,
      refusal.wait.why === 'limit' ? fetchLimit(account.config.id, after.due, failure) : failure,
    )
    // Of what the issuer said all nodes are told; what only this one met (no way there, an operator's error) is its own.
    const isEverybodys = store.isShared && wasSent && refusal.wait.why !== 'operator' && !ofTheDay
    const isOurs = await this.#release(lease, isEverybodys)
    if (lease && isOurs === false && wasSent && issuer.retires) await follower.lateCall()
  }

  /** The loop ends within a call: others need not wait for the lease, and must know where the call may have arrived. */
  async #leave({ lease }: Attempt, { sent }: Refusal): Promise<void> {
    const { account, issuer, follower } = this.#parts
    if (lease && issuer.retires && sent !== false) {
      follower.suspect(account.generation)
      await follower.settled()
    }
    await this.#release(lease)
  }

  #waitForStore(failure: Failure, refreshes: readonly Refresh[]): void {
    const { account, clock, random, demands } = this.#parts
    account.tell('failure', waitingForStore(account.state, failure, account.config, clock, random))
    demands.answer(refreshes, failure)
  }

  /** Whether the lease was still ours; undefined: there was none, or nobody knows. */
  async #release(lease: Lease | undefined, tellsFailure = false): Promise<boolean | undefined> {
    const { account, store, follower, clock } = this.#parts
    if (!lease) return undefined
    const { wait, failures } = account.state
    try {
      const isOurs = await store.release(
        lease,
        tellsFailure && wait ? { until: wait.until, failures } : undefined,
      )
      // Others come first: this node may be the only one that does not get through.
      if (tellsFailure && wait) {
        const turns = schedule.turnsAfter(wait.until.mono - clock.monotonic())
        account.tell('none', { due: laterOf(account.state.due, later(wait.until, turns)) })
      }
      return isOurs
    } catch (error) {
      follower.failed(error)
      return undefined
    }
  }
}
