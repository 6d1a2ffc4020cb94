import type { Instant } from '../src/clock.js'
import type { AccountState, Spent } from '../src/protocol.js'
import { showInstant } from '../src/token.js'

/** How an answer shows that another program fetches tokens for the same account: WeChat's most common outage. */

/** What is known when a call has brought a newer token. */
export interface Seen {
  /** The state before the call, and the day's count without it. */
  readonly before: AccountState
  readonly spent: Spent
  readonly began: Instant
  /** ms of life that the new token had left when it was asked for */
  readonly life: number
  /** ms; the margin in force */
  readonly margin: number
  readonly forced: boolean
  /** An API has refused the token that was replaced. */
  readonly wasRefused: boolean
  /** A fetch of anybody makes the last token void. */
  readonly retires: boolean
}

/** ms; calls of ours are further apart, and what two clocks say of one moment is nearer. */
const SAME_MOMENT = 900
/** ms; a life that is shorter by less was only measured differently. */
const SAME_LIFE = 10_000

/** The token was refused though nobody here did what could end it: what to say, or undefined. */
export function earlyRefusal(seen: Seen): string | undefined {
  const { before, spent, began, margin, forced, wasRefused, retires } = seen
  const { token, expires } = before
  if (!token || !expires || !wasRefused || forced) return undefined
  const left = expires.mono - began.mono
  const last = retires ? spent.lastCall : spent.lastForced
  if (left <= margin || (last !== undefined && last.wall > token.issuedAt + SAME_MOMENT)) return undefined
  const since = showInstant(last ? Math.max(last.wall, token.issuedAt) : token.issuedAt)
  return `the token was refused ${spell(left)} before its expiry; no fetch of ours since ${since}`
}

/** The call brought a token that had been made before it, and not by us: what to say, or undefined. */
export function renewedByOthers({
  before,
  spent,
  began,
  life,
  forced,
  wasRefused,
  retires,
}: Seen): string | undefined {
  const { token } = before
  if (!token || wasRefused || forced || retires) return undefined
  const age = token.expiresAt - token.issuedAt - life
  if (age < SAME_LIFE || (spent.lastCall && spent.lastCall.wall > began.wall - age - SAME_LIFE))
    return undefined
  return `the token that came is one we never fetched: it was ${spell(age)} old; no fetch of ours since ${showInstant(spent.lastCall?.wall ?? token.issuedAt)}`
}

function spell(ms: number): string {
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 1) return `${Math.round(ms / 1000)} s`
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
