import type { Failure } from '../../src/errors.js'
import type { AccountConfig, RequestSide } from '../../src/protocol.js'
import type { Limits } from '../schedule.js'

/**
 * How to ask one kind of API for a token and how to read its answer (code), and how requests carry the token (data).
 * Both functions are pure: sending is `workers/http`, when is `workers/refresh-loop`.
 */
export interface Provider {
  readonly limits: Limits
  /** `except` from the root of a base URL. */
  readonly requestSide: Omit<RequestSide, 'origins'>
  /** Whether a fetch makes the token of everybody else void, if not at once. */
  readonly retires: boolean
  /** What a store knows the account by: provider, endpoint, appId, and whatever else a token depends on. */
  accountKey(account: AccountConfig): string
  /** The token call. `forced`: a new token now, where the API has such a call. */
  ask(account: AccountConfig, forced: boolean): TokenRequest
  read(answer: HttpAnswer, account: AccountConfig): Grant | Refusal
}

export interface TokenRequest {
  readonly method: 'GET' | 'POST'
  /** With its query; it may hold a secret. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Inflated, at most 64 KiB. */
  readonly body: Buffer
}

export interface Grant {
  readonly granted: true
  readonly accessToken: string
  /** ms, from the moment it was asked for */
  readonly life: number
}

export interface Refusal {
  readonly granted: false
  readonly failure: Failure
  readonly wait: Wait
  /** False where the request never left: the issuer has not counted it. */
  readonly sent?: boolean
}

/** How long the next call waits for: a backoff, an operator (`ms` at least), or a limit (until `ms` are over or the day turns). */
export type Wait =
  | { readonly why: 'backoff' }
  | { readonly why: 'operator'; readonly ms: number }
  | { readonly why: 'limit'; readonly ms: number | 'day' }

export type Answer = Grant | Refusal
