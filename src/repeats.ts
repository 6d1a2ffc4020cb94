import { type Clock, type Instant, instantNow, later, reached } from './clock.js'

/** ms; the same is told again no sooner than this. */
const AGAIN_AFTER = 600_000

/** Keeps what repeats itself from flooding a log: it is told once, then counted, and told now and then. */
export class Repeats {
  readonly #clock: Clock
  #told: { readonly what: string; readonly again: Instant } | undefined
  #untold = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** How often it came untold since it was last told; undefined: it is not to be told now. */
  tell(what: string): number | undefined {
    if (this.#told?.what === what && !reached(this.#told.again, this.#clock)) {
      this.#untold += 1
      return undefined
    }
    const untold = this.#told?.what === what ? this.#untold : 0
    this.#told = { what, again: later(instantNow(this.#clock), AGAIN_AFTER) }
    this.#untold = 0
    return untold
  }

  /** It is over: the next one is news. */
  over(): void {
    this.#told = undefined
    this.#untold = 0
  }
}
