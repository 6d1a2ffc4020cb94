import type { Clock, Instant } from '../src/clock.js'
import { atWall, instantNow, later, reached } from '../src/clock.js'
import { leaseOf, type RetryConfig, type Spent } from '../src/protocol.js'

/** When to refresh next, how to back off, what the limits allow: arithmetic only. */

const DAY = 86_400_000
/** An operator's error is retried once a minute at most. */
export const OPERATOR_DELAY = 60_000
/** The share of the margin over which the refreshes of whoever fetched the token are spread. */
const JITTER = 0.1
/** The share over which all others' are, after those: while the first one lives, they hear of its token before. */
const FOLLOWERS_SPREAD = 0.4
/** The most of the margin in force that a lease may take: who comes after it must still be in time. */
const LEASE_SHARE = 0.75
/** The part of a lease that the call itself may take. */
const CALL_SHARE = 0.8
/** ms; what nodes do because of one event (a suspicion, a store that is back) is spread over this, or less. */
const EVENT_SPREAD = 10_000
/** ms; how far the issuer's clock may be behind ours. */
const CLOCKS_APART = 600_000
/** Of the daily budget, kept for refreshes that the schedule asks for: rejections can't starve them. */
const RESERVED = 0.1

/** What an issuer allows. */
export interface Limits {
  /** Token calls a day. */
  readonly perDay: number
  /** When its day turns: minutes east of UTC. */
  readonly dayOffset: number
  /** Forced calls, where it has them. */
  readonly force: ForceLimits | undefined
}

export interface ForceLimits {
  readonly perDay: number
  /** ms; of two forced calls less than this apart, the second does not refresh. */
  readonly spacing: number
}

/** How far ahead of its expiry a token is refreshed: the smaller of `refreshAhead` and half of the answer's life. */
export function marginInForce(refreshAhead: number, life: number): number {
  return Math.min(refreshAhead, life / 2)
}

/**
 * The planned refresh of a token that expires at `expires` and had `life` ms left when it was asked for. Jitter is
 * drawn here, once per answer, and only shortens the margin: on WeChat's stable endpoint asking earlier gains nothing.
 */
export function refreshAt(
  expires: Instant,
  life: number,
  refreshAhead: number,
  random: () => number,
): Instant {
  return later(expires, -marginInForce(refreshAhead, life) * (1 - JITTER * random()))
}

/**
 * The same for a node that reads a token which another one fetched: later than the one that fetched it, and spread so
 * that a thousand nodes do not knock at once when that one is gone.
 */
export function followUpAt(
  expires: Instant,
  life: number,
  refreshAhead: number,
  random: () => number,
): Instant {
  return later(expires, -marginInForce(refreshAhead, life) * (1 - JITTER - FOLLOWERS_SPREAD * random()))
}

/** ms that a refresh may hold the lease, and that the call within may take, of a token with this margin (ms). */
export function leaseFor(timeout: number, margin: number): { readonly lease: number; readonly call: number } {
  const lease = Math.min(leaseOf(timeout), LEASE_SHARE * margin)
  return { lease, call: Math.min(timeout, CALL_SHARE * lease) }
}

/** When a node does its part of what all nodes hear of at once: within so many ms. */
export function spreadOut(clock: Clock, ms: number, random: () => number): Instant {
  return later(instantNow(clock), random() * ms)
}

/** Over how many ms that is spread. `left`: ms until it is urgent. */
export function soon(left: number): number {
  return Math.min(EVENT_SPREAD, Math.max(0, left) / 4)
}

/** ms over which the next calls of all nodes are spread when a wait of so many ms is over; who failed comes last. */
export function turnsAfter(wait: number): number {
  return Math.min(EVENT_SPREAD, wait / 2)
}

/** Exponential backoff with full jitter, never under the floor. `failures` is 1 after the first. */
export function backoff(failures: number, retry: RetryConfig, random: () => number): number {
  const ceiling = Math.min(retry.maxDelay, retry.minDelay * 2 ** Math.min(failures, 30))
  return Math.max(retry.minDelay, random() * ceiling)
}

/** The first moment at which the floor allows a call. */
export function floorAt(spent: Spent, retry: RetryConfig, clock: Clock): Instant {
  return spent.lastCall ? later(spent.lastCall, retry.minDelay) : instantNow(clock)
}

export const NOTHING_SPENT: Spent = {
  dayEnds: 0,
  calls: 0,
  forced: 0,
  lastCall: undefined,
  lastForced: undefined,
}

/** When the issuer's day after `wall` begins. */
export function dayTurnsAt(wall: number, limits: Limits): number {
  const offset = limits.dayOffset * 60_000
  return (Math.floor((wall + offset) / DAY) + 1) * DAY - offset
}

/**
 * How long a spent day is waited for: until it turns; where it has just turned by our clock, the issuer's may be
 * behind, and is asked again in a minute.
 */
export function nextDay(clock: Clock, limits: Limits): Instant {
  const wall = clock.now()
  const turns = dayTurnsAt(wall, limits)
  return wall - (turns - DAY) < CLOCKS_APART ? later(instantNow(clock), 60_000) : atWall(turns, clock)
}

/** What was spent, as of today: the count starts anew when the issuer's day has turned. */
function spentToday(spent: Spent, wall: number, limits: Limits): Spent {
  const dayEnds = dayTurnsAt(wall, limits)
  if (wall >= spent.dayEnds) return { ...spent, dayEnds, calls: 0, forced: 0 }
  // A clock that was stepped back does not give the budget anew, nor does one that was ahead hold it for ever.
  return { ...spent, dayEnds }
}

/** Counts one call. */
export function spend(spent: Spent, forced: boolean, clock: Clock, limits: Limits): Spent {
  const now = instantNow(clock)
  const today = spentToday(spent, now.wall, limits)
  return {
    dayEnds: today.dayEnds,
    calls: today.calls + 1,
    forced: today.forced + (forced ? 1 : 0),
    lastCall: now,
    lastForced: forced ? now : today.lastForced,
  }
}

/** Takes back a call that never left. The floor still counts from it; a forced one was allowed, so none was near. */
export function refund(spent: Spent, forced: boolean): Spent {
  return {
    ...spent,
    calls: Math.max(0, spent.calls - 1),
    forced: Math.max(0, spent.forced - (forced ? 1 : 0)),
    lastForced: forced ? undefined : spent.lastForced,
  }
}

/** Both counts hold: of two records of one day, the one that knows more; of two days, the later one's. */
export function moreSpent(a: Spent, b: Spent): Spent {
  const newer = a.dayEnds > b.dayEnds ? a : b
  const both = sameDay(a, b)
  return {
    dayEnds: newer.dayEnds,
    calls: both ? Math.max(a.calls, b.calls) : newer.calls,
    forced: both ? Math.max(a.forced, b.forced) : newer.forced,
    lastCall: latest(a.lastCall, b.lastCall),
    lastForced: latest(a.lastForced, b.lastForced),
  }
}

/** Two clocks do not agree to the ms on when a day ends. */
export function sameDay(a: Spent, b: Spent): boolean {
  return Math.abs(a.dayEnds - b.dayEnds) < DAY / 2
}

function latest(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (!a || !b) return a ?? b
  return a.mono >= b.mono ? a : b
}

/** Who asks for a call: the schedule may spend the whole budget, others all but its reserve. */
export type Asker = 'schedule' | 'caller'

/** When the day's budget allows the next call, or undefined where it does now. */
export function budgetOpensAt(spent: Spent, asker: Asker, clock: Clock, limits: Limits): Instant | undefined {
  const wall = clock.now()
  const reserve = asker === 'schedule' ? 0 : Math.ceil(limits.perDay * RESERVED)
  return spentToday(spent, wall, limits).calls < limits.perDay - reserve
    ? undefined
    : atWall(dayTurnsAt(wall, limits), clock)
}

/** Which of the day's counts have come near their ends since `before`: said once, when the reserve is reached. */
export function nearsLimits(before: Spent, spent: Spent, limits: Limits): readonly ('calls' | 'forced')[] {
  const perDay = { calls: limits.perDay, forced: limits.force?.perDay ?? Infinity }
  const isNear = (count: number, most: number): boolean => count >= most - Math.ceil(most * RESERVED)
  return (['calls', 'forced'] as const).filter(
    (what) =>
      isNear(spent[what], perDay[what]) && !(sameDay(before, spent) && isNear(before[what], perDay[what])),
  )
}

/** When the force limits allow `calls` more forced calls to begin, or undefined where they do now. */
export function forceOpensAt(spent: Spent, calls: number, clock: Clock, limits: Limits): Instant | undefined {
  const force = limits.force
  if (!force) return undefined
  const wall = clock.now()
  if (spentToday(spent, wall, limits).forced + calls > force.perDay)
    return atWall(dayTurnsAt(wall, limits), clock)
  if (!spent.lastForced) return undefined
  const spaced = later(spent.lastForced, force.spacing)
  return reached(spaced, clock) ? undefined : spaced
}
