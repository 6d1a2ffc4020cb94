import { type Clock, type Instant, instantNow, later, reached } from '../src/clock.js'
import type { Failure } from '../src/errors.js'
import type { LogRecord, Spent } from '../src/protocol.js'
import { showInstant } from '../src/token.js'
import type { StoredToken } from './stores/store.js'

/** ms; the same failure is told again no sooner than this. */
const REPEAT_AFTER = 600_000

/** What the log says of one account. Tokens are told apart by their generation: none is ever shown. */
export class Journal {
  readonly #account: string
  readonly #clock: Clock
  readonly #write: (record: LogRecord) => void
  #told: { readonly what: string; readonly again: Instant } | undefined
  #untold = 0

  constructor(account: string, clock: Clock, write: (record: LogRecord) => void) {
    this.#account = account
    this.#clock = clock
    this.#write = write
  }

  refreshed(token: StoredToken, due: Instant, afterFailures: number): void {
    this.#told = undefined
    this.#untold = 0
    const validFor = Math.round((token.expiresAt - token.issuedAt) / 1000)
    this.#write({
      level: 'info',
      fields: {
        account: this.#account,
        generation: token.generation,
        validFor,
        nextRefresh: showInstant(due.wall),
        ...(afterFailures > 0 && { afterFailures }),
      },
      message: `token refreshed: valid for ${validFor} s`,
    })
  }

  /** Loud for an operator's error; what repeats is counted and told now and then. */
  failed(failure: Failure, next: Instant, live: boolean): void {
    const what = `${failure.code} ${failure.errcode ?? ''}`
    if (this.#told?.what === what && !reached(this.#told.again, this.#clock)) {
      this.#untold += 1
      return
    }
    this.#told = { what, again: later(instantNow(this.#clock), REPEAT_AFTER) }
    const repeated = this.#untold
    this.#untold = 0
    this.#write({
      level: failure.retryable ? 'warn' : 'error',
      fields: {
        account: this.#account,
        code: failure.code,
        ...(failure.errcode !== undefined && { errcode: failure.errcode }),
        ...(failure.rid !== undefined && { rid: failure.rid }),
        ...(repeated > 0 && { repeated }),
        nextCall: showInstant(next.wall),
        oldTokenServes: live,
      },
      message: failure.message,
    })
  }

  nearsLimit(spent: Spent, perDay: number): void {
    this.#write({
      level: 'warn',
      fields: { account: this.#account, fetchesToday: spent.calls, perDay },
      message: 'the day’s token calls are nearly spent: what is left is kept for scheduled refreshes',
    })
  }
}
