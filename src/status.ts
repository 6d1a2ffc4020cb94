import type { Failure } from './errors.js'

/** `suspect`: an API refused the token, or a call may have made it void, and no newer one is there yet. `expired`: there was a token, and it has ended. */
export type TokenState = 'starting' | 'valid' | 'suspect' | 'expired' | 'closed'

/** How one account stands, as plain data without a token. Instants are ms since the epoch. */
export interface AccountStatus {
  readonly state: TokenState
  readonly generation: number | undefined
  readonly issuedAt: number | undefined
  readonly expiresAt: number | undefined
  /** The planned instant: it stays until a newer token, an unchanged answer or a failure replaces it. */
  readonly nextRefreshAt: number | undefined
  readonly lastFailure: (Omit<Failure, 'cause'> & { readonly at: number }) | undefined
  /** Failures since the last answer that brought a token. */
  readonly failures: number
  /** Token calls of the issuer's day, forced ones among them; failed ones count. With a shared store: the whole fleet's. */
  readonly fetchesToday: number
  readonly forcedToday: number
  /** Whether the store could be used when it was last needed. */
  readonly store: 'up' | 'down'
  /** Tokens that this process served before the store had them: got while it was down. */
  readonly servedFirst: number
  /** How often the issuer showed that another program fetches tokens for the same account. */
  readonly outsiders: number
}

/**
 * How a TokenThread stands. Of several accounts the state is the worst one's, counts are sums, and what belongs to one
 * token is undefined.
 */
export interface ThreadStatus extends AccountStatus {
  /** How often the thread had to be started again. */
  readonly restarts: number
  /** Each account by its id. */
  readonly accounts: Readonly<Record<string, AccountStatus>>
}

const WORST_FIRST: readonly TokenState[] = ['closed', 'expired', 'starting', 'suspect', 'valid']

export function threadStatus(
  accounts: Readonly<Record<string, AccountStatus>>,
  restarts: number,
): ThreadStatus {
  const all = Object.values(accounts)
  const [only] = all
  if (only && all.length === 1) return { ...only, restarts, accounts }
  const sum = (of: (account: AccountStatus) => number): number =>
    all.reduce((total, account) => total + of(account), 0)
  return {
    state: WORST_FIRST.find((state) => all.some((account) => account.state === state)) ?? 'starting',
    generation: undefined,
    issuedAt: undefined,
    expiresAt: undefined,
    nextRefreshAt: undefined,
    lastFailure: undefined,
    failures: sum(({ failures }) => failures),
    fetchesToday: sum(({ fetchesToday }) => fetchesToday),
    forcedToday: sum(({ forcedToday }) => forcedToday),
    store: all.some(({ store }) => store === 'down') ? 'down' : 'up',
    servedFirst: sum(({ servedFirst }) => servedFirst),
    outsiders: sum(({ outsiders }) => outsiders),
    restarts,
    accounts,
  }
}
