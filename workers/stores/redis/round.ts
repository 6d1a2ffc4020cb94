import { StoreOperatorError } from '../store-error.js'
import { failureOf } from './failures.js'
import { placeOf, type Target } from './target.js'

/** Servers of which any will do: asked one after the other, the one that answered last first. */
export class Round {
  /** Whom to begin with. */
  #first: string | undefined

  /**
   * The first answer. Where nobody has one it fails with what an operator can mend, if one of them said so, rather than
   * with the last that happened to be asked.
   */
  async ask<T>(
    targets: readonly Target[],
    signal: AbortSignal,
    ask: (target: Target) => Promise<T>,
  ): Promise<T> {
    // Fixed for this walk: others that go on at the same time move the beginning.
    const from = Math.max(
      0,
      targets.findIndex((target) => placeOf(target) === this.#first),
    )
    const order = [...targets.slice(from), ...targets.slice(0, from)]
    let worst: unknown
    for (const [i, target] of order.entries()) {
      try {
        const answer = await ask(target)
        this.#first = placeOf(target)
        return answer
      } catch (error) {
        // Also where the time is up: it may have been this one that used it.
        const next = order[i + 1] ?? order[0]
        this.#first = next && placeOf(next)
        signal.throwIfAborted()
        if (!(worst instanceof StoreOperatorError)) worst = failureOf(error, target)
      }
    }
    throw worst
  }
}
