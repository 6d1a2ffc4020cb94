import { type Clock, type Instant, instantNow, later, laterOf, reached } from '../src/clock.js'
import type { AccountConfig, AccountState } from '../src/protocol.js'
import { unusable } from './providers/grant.js'
import type { Answer, Grant, Refusal, Wait } from './providers/provider.js'
import * as schedule from './schedule.js'
import type { Stored, StoredToken } from './stores/store.js'

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
  }
}

/** Goes on from the last thread's state. A call it sent and did not see answered may have retired the token: call anew. */
export function resumedState(state: AccountState, clock: Clock): AccountState {
  return state.inFlight ? { ...state, inFlight: false, due: instantNow(clock) } : state
}

/** A token that the store holds and is newer than ours. */
export function adopted(
  state: AccountState,
  stored: Stored,
  account: AccountConfig,
  random: Chance,
): AccountState {
  const { token, suspect, spent } = stored
  if (!token || token.generation <= (state.token?.generation ?? 0)) return { ...state, spent }
  const life = token.expiresAt - token.issuedAt
  const due = schedule.refreshAt(token.expires, life, account.refreshAhead, random)
  return { ...state, ...tokenFields(token), due, suspect, wait: undefined, failures: 0, spent }
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
): StoredToken {
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
  token: StoredToken,
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
}: StoredToken): Pick<AccountState, 'token' | 'expires'> {
  return { token: { accessToken, issuedAt, expiresAt, generation }, expires }
}
