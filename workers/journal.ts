import type { Clock, Instant } from '../src/clock.js'
import type { Failure } from '../src/errors.js'
import type { LogRecord, Spent } from '../src/protocol.js'
import { Repeats } from '../src/repeats.js'
import { showInstant } from '../src/token.js'
import type { KnownToken } from './stores/account-store.js'

/** What the log says of one account. Tokens are told apart by their generation: none is ever shown. */
export class Journal {
  readonly #account: string
  readonly #write: (record: LogRecord) => void
  readonly #repeats: Repeats
  readonly #storeRepeats: Repeats
  readonly #outsiderRepeats: Repeats
  readonly #lostRepeats: Repeats

  constructor(account: string, clock: Clock, write: (record: LogRecord) => void) {
    this.#account = account
    this.#repeats = new Repeats(clock)
    this.#storeRepeats = new Repeats(clock)
    this.#outsiderRepeats = new Repeats(clock)
    this.#lostRepeats = new Repeats(clock)
    this.#write = write
  }

  refreshed(token: KnownToken, due: Instant, afterFailures: number): void {
    this.#repeats.over()
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
    const repeated = this.#repeats.tell(`${failure.code} ${failure.errcode ?? ''}`)
    if (repeated === undefined) return
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

  nearsForceLimit({ forced }: Spent): void {
    this.#write({
      level: 'warn',
      fields: { account: this.#account, forcedToday: forced },
      message:
        'the day’s forced calls are nearly spent: then a refused token that normal calls bring again stays until the next day',
    })
  }

  storeDown({ code, message, retryable }: Failure, then: string): void {
    const repeated = this.#storeRepeats.tell(message)
    if (repeated === undefined) return
    this.#write({
      level: retryable ? 'warn' : 'error',
      fields: { account: this.#account, code, ...(repeated > 0 && { repeated }) },
      message: `${message}; ${then}`,
    })
  }

  storeUp(): void {
    this.#storeRepeats.over()
    this.#write({ level: 'info', fields: { account: this.#account }, message: 'the store can be used again' })
  }

  /** This is said of one account now and then: the operator must find the other program. */
  outsider(what: string): void {
    const repeated = this.#outsiderRepeats.tell('')
    if (repeated === undefined) return
    this.#write({
      level: 'warn',
      fields: { account: this.#account, ...(repeated > 0 && { repeated }) },
      message:
        `another program fetches tokens for this AppID: ${what}. Let it read the token from here, give all processes one ` +
        'store (option `store`), or move it to an AppID or endpoint of its own',
    })
  }

  /** Loud: on an endpoint where a fetch makes other tokens void it costs one more. */
  tokenRefused(): void {
    const repeated = this.#lostRepeats.tell('')
    if (repeated === undefined) return
    this.#write({
      level: 'warn',
      fields: { account: this.#account, ...(repeated > 0 && { repeated }) },
      message:
        'the store refused a token that was fetched: this process was stopped, or too slow, and its lease went to another one',
    })
  }
}
