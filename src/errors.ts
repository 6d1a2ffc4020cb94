/** Every code an error of ours can have, with its mend. `docs/errors.md` and the README show this table. */
export const ERROR_MENDS = {
  ERR_OPTIONS: 'Correct the option that the message names.',
  ERR_TOKEN_UNAVAILABLE:
    'Look at `cause`, the last failure; await `ready()` where the first token may still be on its way.',
  ERR_ISSUER_REFUSED: 'Do what the message says for its errcode: only an operator can mend most of them.',
  ERR_TOKEN_REFUSED: 'Try again after `retryAt`; if it stays, another program refreshes the same account.',
  ERR_FETCH_LIMIT: 'Wait until `retryAt`: the issuer allows no further fetch before.',
  ERR_START_TIMEOUT:
    'Look at `cause`; raise `startTimeout`, or start with `new TokenThread()` and await `ready()`.',
  ERR_CLOSED: 'The TokenThread was closed: close it after the server has drained.',
  ERR_CONNECTION: 'No connection to the token endpoint: check DNS, firewall, `baseUrl` and `proxy`.',
  ERR_TIMEOUT: 'The token call took longer than `timeout`: check the network, or raise it.',
  ERR_BAD_ANSWER: 'The token endpoint’s answer was unusable: check that `baseUrl` and `proxy` lead to it.',
  ERR_STORE:
    'The store could not be used: do what the message says; `onStoreDown` decides what happens meanwhile.',
  ERR_PROTOCOL: 'The worker file is of another version: bundle it again, or correct `workerUrl`.',
  ERR_THREAD: 'The thread could not run: see `cause`; a bundled server needs `workerUrl`.',
} as const

export type ErrorCode = keyof typeof ERROR_MENDS

/** An error as plain data: `postMessage` of an Error would lose its class and code. */
export interface Failure {
  readonly code: ErrorCode
  readonly message: string
  /** Whether trying again can help without anybody's doing. */
  readonly retryable: boolean
  readonly errcode?: number
  readonly rid?: string
  /** Wall clock, ms: the first moment at which the same call may succeed. */
  readonly retryAt?: number
  readonly account?: string
  readonly cause?: Failure
}

/** The one error class of this library; `code` tells what went wrong and `ERROR_MENDS` how to mend it. */
export class TokenThreadError extends Error {
  override readonly name = 'TokenThreadError'
  readonly code: ErrorCode
  /** Whether trying again can help without anybody's doing. */
  readonly retryable: boolean
  /** The issuer's own code, as in WeChat's `errcode`. */
  declare readonly errcode?: number
  /** WeChat's request id, for its support. */
  declare readonly rid?: string
  /** Ms since the epoch: the first moment at which the same call may succeed. */
  declare readonly retryAt?: number
  /** The id of the account it is about. */
  declare readonly account?: string

  constructor(failure: Omit<Failure, 'cause'>, cause?: unknown) {
    super(failure.message, cause === undefined ? undefined : { cause })
    this.code = failure.code
    this.retryable = failure.retryable
    // Fields that say nothing are left out: an error is mostly read on a terminal.
    for (const field of ['errcode', 'rid', 'retryAt', 'account'] as const) {
      if (failure[field] !== undefined)
        Object.defineProperty(this, field, { value: failure[field], enumerable: true })
    }
  }
}

/** Rebuilds an error from plain data. */
export function errorOf(failure: Failure): TokenThreadError {
  return new TokenThreadError(failure, failure.cause && errorOf(failure.cause))
}

export function optionError(message: string): TokenThreadError {
  return new TokenThreadError({ code: 'ERR_OPTIONS', message, retryable: false })
}

/** The end of a switch over a closed union: a new member that nobody handles does not compile. */
export function assertNever(value: never): never {
  throw new Error(`not handled: ${JSON.stringify(value)}`)
}

/** Replaces secrets in a text that others wrote (an errmsg, a system error) before it is shown. It never throws. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets
    .flatMap(formsOf)
    .sort((a, b) => b.length - a.length)
    .reduce((safe, secret) => safe.split(secret).join('***'), text)
}

/** How a secret may be quoted: as it is, from a URL, from a JSON body. */
function formsOf(secret: string): string[] {
  // An unpaired surrogate, which encodeURIComponent refuses, becomes U+FFFD.
  const wellFormed = Buffer.from(secret).toString()
  const query = new URLSearchParams({ s: secret }).toString().slice(2)
  const forms = [secret, encodeURIComponent(wellFormed), query, JSON.stringify(secret).slice(1, -1)]
  return forms.filter((form) => form !== '')
}

/** What a thrown value says, for a message of ours. */
export function messageOf(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown)
  } catch {
    // An object without a prototype, say.
    return 'something that can’t be shown'
  }
}

export function closedError(message = 'the TokenThread was closed'): TokenThreadError {
  return new TokenThreadError({ code: 'ERR_CLOSED', message, retryable: false })
}

/** What a value is, for a message that says what it should have been; never the value itself. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (value === undefined) return 'missing'
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}
