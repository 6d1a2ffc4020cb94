import type { Failure } from '../src/errors.js'
import { type Clock, type Instant, instantNow, later, laterOf, reached } from '../src/clock.js'
import type { AccountConfig, AccountState } from '../src/protocol.js'
import { unusable } from './providers/grant.js'
import type { Answer, Grant, Refusal, Wait } from './providers/provider.js'
import * as schedule from './schedule.js'
import type { Known, KnownToken } from './stores/account-store.js'

/** How an account's state follows from what was answered: no waiting, no I/O. */

type Chance = () => number

/** An account of which nothing is known: its first call is due at once. */
export function freshState(clock: Clock): AccountState {
  return {
    token: undefined,
    expires: undefined,
    due: instantNow(clock),
    suspect: false,
    wait: undefined,
    failures: 0,
    lastFailure: undefined,
    spent: schedule.NOTHING_SPENT,
    forceOpensAt: undefined,
    inFlight: false,
    unstored: NOTHING_UNSTORED,
    epoch: 0,
    tokenEpoch: 0,
    isStoreDown: false,
    servedFirst: 0,
    outsiders: 0,
  }
}

export const NOTHING_UNSTORED: AccountState['unstored'] = { calls: 0, forced: 0 }

/** Goes on from the last thread's state. A call it sent and did not see answered may have retired the token: call anew. */
export function resumedState(state: AccountState, clock: Clock): AccountState {
  return state.inFlight ? { ...state, inFlight: false, due: instantNow(clock) } : state
}

/** ms; two measurements of one moment differ by less. */
const SAME_MOMENT = 1_000

/**
 * What a store's record adds to what is known here: a newer token, a corrected expiry, a suspicion, a higher count, a
 * wait that another node's failure imposes.
 */
export function adopted(
  state: AccountState,
  { token, suspect, spent, retry, epoch }: Known,
  { refreshAhead, retry: ours }: AccountConfig,
  clock: Clock,
  random: Chance,
): AccountState {
  const seen = { ...withCount(state, spent), epoch: Math.max(state.epoch, epoch) }
  const waiting = (to: AccountState): AccountState => waitingWith(to, retry, ours, clock, random)
  const generation = state.token?.generation ?? 0
  if (!token) return generation === 0 ? waiting(seen) : seen
  if (token.generation < generation) return seen
  const next = { ...seen, tokenEpoch: token.epoch }
  if (token.generation > generation) {
    const due = schedule.followUpAt(token.expires, token.expiresAt - token.issuedAt, refreshAhead, random)
    return waiting({ ...next, ...tokenFields(token), due, suspect, wait: undefined, failures: 0 })
  }
  // Not each time that it is read: then a step of the store's clock would move it too.
  const isSeenAgain = token.epoch > state.tokenEpoch
  const isMoved = Math.abs(token.expires.mono - (state.expires?.mono ?? 0)) > SAME_MOMENT
  const left = token.expires.mono - clock.monotonic()
  return waiting({
    ...next,
    ...(isSeenAgain && isMoved && tokenFields(token)),
    // Another node has asked, and it is not renewed yet: nobody need ask again before the same rule says so.
    ...(isSeenAgain &&
      state.tokenEpoch > 0 && {
        due: laterOf(state.due, schedule.followUpAt(token.expires, left, refreshAhead, random)),
      }),
    suspect: state.suspect || suspect,
  })
}

/**
 * Another node's call has failed: the issuer is not asked again before the same time. One that is further off than
 * our own waits ever are is the wait of a node with other options, or the store's clock was stepped back.
 */
function waitingWith(
  state: AccountState,
  retry: Known['retry'],
  { maxDelay }: AccountConfig['retry'],
  clock: Clock,
  random: Chance,
): AccountState {
  if (!retry || reached(retry.until, clock)) return state
  const wait = retry.until.mono - clock.monotonic()
  if (wait > Math.max(maxDelay, schedule.OPERATOR_DELAY) + SAME_MOMENT) return state
  if (state.wait && state.wait.until.mono >= retry.until.mono - SAME_MOMENT) return state
  return {
    ...state,
    due: laterOf(state.due, later(retry.until, random() * schedule.turnsAfter(wait))),
    wait: { until: retry.until, why: 'backoff' },
    failures: Math.max(state.failures, retry.failures),
  }
}

/** With the store's count: what it was not told yet comes on top, unless its day is over. */
function withCount(state: AccountState, stored: AccountState['spent']): AccountState {
  const { spent, unstored } = state
  const known = { ...spent, calls: spent.calls - unstored.calls, forced: spent.forced - unstored.forced }
  const merged = schedule.moreSpent(known, stored)
  const left = schedule.sameDay(merged, spent) ? unstored : NOTHING_UNSTORED
  return {
    ...state,
    spent: { ...merged, calls: merged.calls + left.calls, forced: merged.forced + left.forced },
    unstored: left,
  }
}

/** With one more call counted, that the store was told of with all before it, or that it was not. */
export function counted(
  state: AccountState,
  spent: AccountState['spent'],
  forced: boolean,
  told: 'told' | 'untold',
): AccountState {
  if (told === 'told') return { ...state, spent, unstored: NOTHING_UNSTORED }
  const before = schedule.sameDay(spent, state.spent) ? state.unstored : NOTHING_UNSTORED
  return { ...state, spent, unstored: plus(before, 1, forced) }
}

/** A call that was counted, also in the store, never left. */
export function uncounted(state: AccountState, forced: boolean): AccountState {
  return { ...state, spent: schedule.refund(state.spent, forced), unstored: plus(state.unstored, -1, forced) }
}

function plus(
  { calls, forced }: AccountState['unstored'],
  more: number,
  isForced: boolean,
): AccountState['unstored'] {
  return { calls: calls + more, forced: forced + (isForced ? more : 0) }
}

/** How far ahead of its expiry the token is refreshed, ms; of no token, as far as is asked for. */
export function marginOf({ token }: AccountState, { refreshAhead }: AccountConfig): number {
  return token ? schedule.marginInForce(refreshAhead, token.expiresAt - token.issuedAt) : refreshAhead
}

/** ms for which the token is still live. */
export function leftOf({ expires }: AccountState, clock: Clock): number {
  return expires ? Math.min(expires.wall - clock.now(), expires.mono - clock.monotonic()) : 0
}

/** The store can't be used, and nothing else may be done. */
export function waitingForStore(
  state: AccountState,
  failure: Failure,
  { retry }: AccountConfig,
  clock: Clock,
  random: Chance,
): AccountState {
  const failures = state.failures + 1
  const delay = failure.retryable
    ? schedule.backoff(failures, retry, random)
    : Math.max(schedule.OPERATOR_DELAY, retry.minDelay)
  const until = later(instantNow(clock), delay)
  return {
    ...state,
    wait: { until, why: failure.retryable ? 'store' : 'operator' },
    failures,
    lastFailure: { failure, at: clock.now() },
  }
}

/** A token that had ended when its answer came is none: asking again at the floor would make a loop of it. */
export function notOver(answer: Answer, began: Instant, clock: Clock): Answer {
  return answer.granted && reached(later(began, answer.life), clock)
    ? unusable('its token had ended when it came')
    : answer
}

/** The token of an answer. The same one seen again keeps its generation and issue; only its expiry is corrected. */
export function grantedToken(
  grant: Grant,
  began: Instant,
  known: AccountState['token'],
  epoch: number,
): KnownToken {
  const same = known?.accessToken === grant.accessToken ? known : undefined
  const expires = later(began, grant.life)
  return {
    accessToken: grant.accessToken,
    issuedAt: same?.issuedAt ?? began.wall,
    expiresAt: expires.wall,
    generation: same?.generation ?? epoch,
    expires,
  }
}

export function afterGrant(
  state: AccountState,
  token: KnownToken,
  life: number,
  { refreshAhead, retry }: AccountConfig,
  clock: Clock,
  random: Chance,
): AccountState {
  const planned = schedule.refreshAt(token.expires, life, refreshAhead, random)
  return {
    ...state,
    ...tokenFields(token),
    due: laterOf(planned, schedule.floorAt(state.spent, retry, clock)),
    suspect: state.suspect && token.generation === state.token?.generation,
    wait: undefined,
    failures: 0,
    inFlight: false,
  }
}

/** The old token stays until its expiry, whatever was answered. */
export function afterRefusal(
  state: AccountState,
  refusal: Refusal,
  { id, retry }: AccountConfig,
  limits: schedule.Limits,
  clock: Clock,
  random: Chance,
): AccountState {
  const failures = state.failures + 1
  const { wait } = refusal
  const until = waitEnds(wait, failures, retry, limits, clock, random)
  const failure = {
    ...refusal.failure,
    account: id,
    ...(wait.why === 'limit' && { retryAt: until.wall }),
  }
  return {
    ...state,
    due: until,
    wait: { until, why: wait.why },
    failures,
    lastFailure: { failure, at: clock.now() },
    inFlight: false,
  }
}

function waitEnds(
  wait: Wait,
  failures: number,
  retry: AccountConfig['retry'],
  limits: schedule.Limits,
  clock: Clock,
  random: Chance,
): Instant {
  const now = instantNow(clock)
  switch (wait.why) {
    case 'backoff':
      return later(now, schedule.backoff(failures, retry, random))
    case 'operator':
      return later(now, Math.max(wait.ms, schedule.OPERATOR_DELAY, retry.minDelay))
    case 'limit':
      return wait.ms === 'day'
        ? schedule.nextDay(clock, limits)
        : later(now, Math.max(wait.ms, retry.minDelay))
  }
}

function tokenFields({
  accessToken,
  issuedAt,
  expiresAt,
  generation,
  expires,
}: KnownToken): Pick<AccountState, 'token' | 'expires'> {
  return { token: { accessToken, issuedAt, expiresAt, generation }, expires }
}
