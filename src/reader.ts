import type { TokenThreadError } from './errors.js'
import type { RequestSide } from './protocol.js'
import type { AccountStatus } from './status.js'
import type { Token } from './token.js'

/** The reading face of one account. */
export interface TokenReader {
  /**
   * The valid access token, at once: no waiting, no I/O, never an expired one.
   * @throws TokenThreadError `ERR_TOKEN_UNAVAILABLE` (`cause`: the last failure) or `ERR_CLOSED`
   */
  get(): string
  /** The valid token with its instants, or undefined. */
  readonly current: Token | undefined
  /** The current token, or the next one. Rejects with the signal's reason or `ERR_CLOSED`. */
  ready(options?: ReadyOptions): Promise<Token>
  /**
   * "An API refused this token" (WeChat: 40001, 40014, 42001). Resolves with a newer token; a thousand calls at once
   * are one. It acts only while `badToken` is the current one. Nobody needs to await it: its failure is an event too.
   * Rejects within 2 x `timeout`: `ERR_TOKEN_REFUSED` (`retryAt` where a limit decides), `ERR_OPTIONS` or `ERR_CLOSED`.
   */
  reject(badToken: string): Promise<Token>
  /**
   * An operator's refresh: on WeChat's stable endpoint one forced call (20 a day, 30 s apart), elsewhere a normal one.
   * Rejects with `ERR_FETCH_LIMIT` (`retryAt`), the call's own failure, the signal's reason, `ERR_OPTIONS` (`revoke` on
   * classic) or `ERR_CLOSED`.
   */
  refresh(options?: RefreshOptions): Promise<Token>
  /** How the account stands: plain data, no token. */
  status(): AccountStatus
  /** How a request carries the token and how a refusal looks, as the account's provider says; undefined before the thread is ready. */
  readonly requestSide: RequestSide | undefined
}

export interface ReadyOptions {
  /** Stops the waiting. */
  signal?: AbortSignal | undefined
}

export interface RefreshOptions {
  /**
   * Makes a leaked token void for good: two forced calls 30 s apart (getStableAccessToken), the first new token serving
   * meanwhile. Only on `stable`. Default: false.
   */
  revoke?: boolean | undefined
  /** Stops the waiting; a call that was sent still counts. */
  signal?: AbortSignal | undefined
}

export interface TokenSourceEvents {
  /** A newer token is in force. */
  token: [token: Token, accountId: string]
  /** A token call failed, or a `reject` did. */
  failure: [error: TokenThreadError, accountId: string]
  /** The token has ended and no newer one is there. */
  expired: [accountId: string]
}
