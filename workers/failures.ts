import type { Instant } from '../src/clock.js'
import type { Failure } from '../src/errors.js'
import { showInstant } from '../src/token.js'

/** The failures that the loop itself decides on. */

export function fetchLimit(account: string, opens: Instant, cause: Failure | undefined): Failure {
  return {
    code: 'ERR_FETCH_LIMIT',
    message: `account ${account}: the issuer’s limits allow no such fetch before ${showInstant(opens.wall)}`,
    retryable: true,
    retryAt: Math.ceil(opens.wall),
    account,
    ...(cause && { cause }),
  }
}

/** A refused token that could not be replaced; `opens`: when a limit or a wait allows the next try. */
export function tokenRefused(
  account: string,
  opens: Instant | undefined,
  cause: Failure | undefined,
): Failure {
  return {
    code: 'ERR_TOKEN_REFUSED',
    message:
      `account ${account}: the token was refused and no newer one could be had` +
      (opens ? `; the next try is possible at ${showInstant(opens.wall)}` : ''),
    retryable: true,
    ...(opens && { retryAt: Math.ceil(opens.wall) }),
    account,
    ...(cause && { cause }),
  }
}
