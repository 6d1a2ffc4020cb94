import type { Instant } from '../src/clock.js'
import type { Failure } from '../src/errors.js'

export interface Reject {
  readonly id: number
  /** Of the token that was refused. */
  readonly generation: number
  /** Whoever asked waits no longer than this. */
  readonly until: Instant
}

export interface Refresh {
  readonly id: number
  /** How many forced calls the limits must still allow. */
  readonly calls: number
}

export type Verdict = 'served' | 'waits' | Failure

/** What callers asked for and still wait for: refused tokens to be replaced, and an operator's refreshes. */
export class Demands {
  readonly #answer: (id: number, failure: Failure | undefined) => void
  #rejects: readonly Reject[] = []
  #refreshes: readonly Refresh[] = []
  /** Of the refreshes that a call is under way for, those that somebody still waits for. */
  readonly #taken = new Set<number>()
  /** A normal call brought the refused token itself: only a forced one can replace it. */
  forceNext = false

  constructor(answer: (id: number, failure: Failure | undefined) => void) {
    this.#answer = answer
  }

  get rejected(): boolean {
    return this.#rejects.length > 0
  }

  get refreshing(): boolean {
    return this.#refreshes.length > 0
  }

  addReject(reject: Reject): void {
    this.#rejects = [...this.#rejects, reject]
  }

  addRefresh(refresh: Refresh): void {
    this.#refreshes = [...this.#refreshes, refresh]
  }

  /** The store knows the same token by another generation: whoever refused it has not got a newer one. */
  renumber(from: number, to: number): void {
    this.#rejects = this.#rejects.map((reject) =>
      reject.generation === from ? { ...reject, generation: to } : reject,
    )
  }

  judgeRejects(verdict: (reject: Reject) => Verdict): void {
    this.#rejects = this.#rejects.filter((reject) => this.#waits(reject.id, verdict(reject)))
    if (!this.rejected) this.forceNext = false
  }

  judgeRefreshes(verdict: (refresh: Refresh) => Verdict): void {
    this.#refreshes = this.#refreshes.filter((refresh) => this.#waits(refresh.id, verdict(refresh)))
  }

  /** Whoever asked waits no more. */
  cancel(id: number): void {
    this.#rejects = this.#rejects.filter((reject) => reject.id !== id)
    this.#refreshes = this.#refreshes.filter((refresh) => refresh.id !== id)
    this.#taken.delete(id)
    if (!this.rejected) this.forceNext = false
  }

  /** Those that the call about to be sent is for; a later one wants a call of its own. */
  takeRefreshes(): readonly Refresh[] {
    const taken = this.#refreshes
    this.#refreshes = []
    for (const { id } of taken) this.#taken.add(id)
    return taken
  }

  /** The call came to nothing: another one is for those who still wait. */
  putBack(refreshes: readonly Refresh[]): void {
    this.#refreshes = [...this.#refreshes, ...refreshes.filter(({ id }) => this.#taken.delete(id))]
  }

  answer(refreshes: readonly Refresh[], failure: Failure | undefined): void {
    for (const { id } of refreshes) {
      this.#taken.delete(id)
      this.#answer(id, failure)
    }
  }

  #waits(id: number, verdict: Verdict): boolean {
    if (verdict === 'waits') return true
    this.#answer(id, verdict === 'served' ? undefined : verdict)
    return false
  }
}
