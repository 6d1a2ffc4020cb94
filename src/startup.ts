import { type Clock, reached } from './clock.js'
import { errorOf, TokenThreadError } from './errors.js'
import type { AccountState } from './protocol.js'

/**
 * The waiting of `TokenThread.start`: it is over when each account has a token, was refused for good, or the time is
 * up; it has failed only if none has a token then.
 */
export class Startup {
  readonly #open: Set<string>
  readonly #failures = new Map<string, TokenThreadError>()
  readonly #lastFailures = new Map<string, TokenThreadError>()
  readonly #clock: Clock
  #anyToken = false
  readonly #done: (error: TokenThreadError | undefined) => void

  constructor(ids: readonly string[], clock: Clock, done: (error: TokenThreadError | undefined) => void) {
    this.#open = new Set(ids)
    this.#clock = clock
    this.#done = done
  }

  /** A token that a store kept may have ended long ago: it is none. */
  heard(id: string, { expires, failures, lastFailure }: AccountState): void {
    if (!this.#open.has(id)) return
    if (expires && !reached(expires, this.#clock)) {
      this.#anyToken = true
      this.#settle(id)
    } else if (failures > 0 && lastFailure) {
      const error = errorOf(lastFailure.failure)
      this.#lastFailures.set(id, error)
      if (!error.retryable) {
        this.#failures.set(id, error)
        this.#settle(id)
      }
    }
  }

  /** `threadError`: why there is no thread, if so. */
  timedOut(ms: number, threadError: TokenThreadError | undefined): void {
    for (const id of [...this.#open]) {
      const cause = this.#lastFailures.get(id) ?? threadError
      const message = `account ${id}: no token within startTimeout (${ms} ms)${cause ? `; ${cause.message}` : ''}`
      this.#failures.set(
        id,
        new TokenThreadError({ code: 'ERR_START_TIMEOUT', message, retryable: true, account: id }, cause),
      )
      this.#settle(id)
    }
  }

  /** The thread itself can't run. */
  failed(error: TokenThreadError): void {
    for (const id of [...this.#open]) {
      this.#failures.set(id, error)
      this.#settle(id)
    }
  }

  #settle(id: string): void {
    this.#open.delete(id)
    if (this.#open.size > 0) return
    this.#done(this.#anyToken ? undefined : this.#failure())
  }

  #failure(): TokenThreadError | undefined {
    const errors = [...this.#failures.values()]
    const [first] = errors
    if (!first || errors.every((error) => error === first) || errors.length === 1) return first
    const message = `no account has a token: ${errors.map((error) => error.message).join(' | ')}`
    return new TokenThreadError(
      { code: first.code, message, retryable: errors.every(({ retryable }) => retryable) },
      first,
    )
  }
}
