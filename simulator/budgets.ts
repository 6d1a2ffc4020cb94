/** The part of the calendar that an instant (ms since 1970) falls in; a new name means a new budget. */
export type Period = (at: number) => string | number

/** WeChat's day turns at midnight in China, UTC+8. */
const chinaTime = (at: number): number => at + 8 * 3_600_000

export const dayOf: Period = (at) => Math.floor(chinaTime(at) / 86_400_000)
export const monthOf: Period = (at) => new Date(chinaTime(at)).toISOString().slice(0, 7)
export const minuteOf: Period = (at) => Math.floor(at / 60_000)

/** So many calls in a period of the calendar. */
export class Budget {
  readonly #limit: number
  readonly #period: Period
  #current: string | number = ''
  #used = 0

  constructor(limit: number, period: Period) {
    this.#limit = limit
    this.#period = period
  }

  /** Takes one call from the budget; false when nothing is left. */
  take(now: number): boolean {
    const current = this.#period(now)
    if (current !== this.#current) {
      this.#current = current
      this.#used = 0
    }
    if (this.#used >= this.#limit) return false
    this.#used += 1
    return true
  }

  reset(): void {
    this.#used = 0
  }
}
