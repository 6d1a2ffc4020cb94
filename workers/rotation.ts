import { instantNow, reached } from '../src/clock.js'
import type { Failure } from '../src/errors.js'
import type { Spent } from '../src/protocol.js'
import { counted, notOver, uncounted, waitingForStore } from './account-state.js'
import type { Refresh } from './demands.js'
import { fetchLimit } from './failures.js'
import { type Attempt, Outcome, type OutcomeParts } from './outcome.js'
import type { Call } from './planner.js'
import type { Answer, Refusal } from './providers/provider.js'
import * as schedule from './schedule.js'
import type { Lease } from './stores/account-store.js'

export interface RotationParts extends OutcomeParts {
  readonly closing: AbortSignal
}

/** Nothing was sent: the lease is another's by now, or the store went and nobody may refresh without it. */
type NotSent = { readonly notSent: 'lost' } | { readonly notSent: 'down'; readonly failure: Failure }

/** One rotation: take the lease, read again, count, fetch, publish. */
export class Rotation {
  readonly #parts: RotationParts
  readonly #outcome: Outcome
  /** The days of which was said that a count is nearly spent. */
  readonly #warnedFor = new Map<'calls' | 'forced', Spent>()

  constructor(parts: RotationParts) {
    this.#parts = parts
    this.#outcome = new Outcome(parts)
  }

  async run(planned: Call): Promise<void> {
    const { account, store, follower, planner, demands, clock } = this.#parts
    const { lease: duration, call: longest } = this.#lengths()
    const knock = await follower.knock(duration)
    if ('held' in knock) return
    if ('down' in knock && (planned.offer || !follower.mayGoAlone(knock.down)))
      return planned.offer ? undefined : this.#waitForStore(knock.down, demands.takeRefreshes())
    const lease = 'lease' in knock ? knock.lease : undefined
    if (this.#isClosing()) {
      await follower.release(lease)
      return
    }
    // Another node's call has just brought the refused token again: no second one is needed to know.
    if (store.isShared && lease?.sinceRefused === 'the same again, just now' && account.state.suspect)
      demands.forceNext = demands.rejected && account.limits.force !== undefined
    // Read again, plan again: perhaps another node was faster.
    const call = planner.plan(account.state, follower)
    if (!reached(call.at, clock) || call.offer) {
      if (lease) await this.#offer(lease)
      await follower.release(lease)
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
    if (read.granted) return this.#outcome.granted(attempt, read)
    if (this.#isClosing()) return this.#leave(attempt, read)
    return this.#outcome.refused(attempt, read)
  }

  /** The loop has ended: what only this node knows is told to the store, where that can be had at once. */
  async close(): Promise<void> {
    const { follower } = this.#parts
    await follower.settled()
    if (follower.offerAt === undefined) return
    const knock = await follower.knock(this.#lengths().lease)
    if (!('lease' in knock)) return
    await this.#offer(knock.lease)
    await follower.release(knock.lease)
  }

  async #offer(lease: Lease): Promise<void> {
    await this.#parts.follower.offer(lease)
    this.#sayNearsLimit(lease.spent)
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
    this.#sayNearsLimit(lease?.spent ?? spentBefore)
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
    for (const what of schedule.nearsLimits(before, spent, account.limits)) {
      const last = this.#warnedFor.get(what)
      if (last && schedule.sameDay(last, spent)) continue
      this.#warnedFor.set(what, spent)
      if (what === 'calls') journal.nearsLimit(spent, account.limits.perDay)
      else journal.nearsForceLimit(spent)
    }
  }

  async #spend(lease: Lease, spent: Spent): Promise<'told' | 'untold' | NotSent> {
    const { store, follower } = this.#parts
    try {
      return (await store.spend(lease, spent)) ? 'told' : { notSent: 'lost' }
    } catch (error) {
      const failure = follower.failed(error)
      return follower.mayGoAlone(failure) ? 'untold' : { notSent: 'down', failure }
    }
  }

  async #notSent({ lease, refreshes }: Attempt, why: NotSent): Promise<void> {
    const { account, demands, follower } = this.#parts
    account.tell('none', { inFlight: false })
    if (why.notSent === 'down') return this.#waitForStore(why.failure, refreshes)
    demands.putBack(refreshes)
    await follower.release(lease)
    await follower.lost()
  }

  /** The loop ends within a call: others need not wait for the lease, and must know where the call may have arrived. */
  async #leave({ lease }: Attempt, { sent }: Refusal): Promise<void> {
    const { account, issuer, follower } = this.#parts
    if (lease && issuer.retires && sent !== false) {
      follower.suspect(account.generation)
      await follower.settled()
    }
    await follower.release(lease)
  }

  #waitForStore(failure: Failure, refreshes: readonly Refresh[]): void {
    const { account, clock, random, demands } = this.#parts
    account.tell('failure', waitingForStore(account.state, failure, account.config, clock, random))
    demands.answer(refreshes, failure)
  }
}
