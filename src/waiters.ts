import type { Cancel } from './clock.js'
import { onAbort } from './on-abort.js'

interface Waiter<T> {
  readonly resolve: (value: T) => void
  readonly reject: (reason: unknown) => void
  readonly ignoreSignal: Cancel | undefined
}

/** Promises that wait for one thing together; while there are any, the process is kept alive. */
export class Waiters<T> {
  readonly #hold: () => Cancel
  readonly #waiting = new Set<Waiter<T>>()
  #release: Cancel | undefined

  constructor(hold: () => Cancel) {
    this.#hold = hold
  }

  /** Rejects with the signal's reason when it aborts. */
  wait(signal?: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(reasonOf(signal))
      const ignoreSignal =
        signal &&
        onAbort(signal, () => {
          this.#waiting.delete(waiter)
          if (this.#waiting.size === 0) this.#letGo()
          reject(reasonOf(signal))
        })
      const waiter = { resolve, reject, ignoreSignal }
      this.#release ??= this.#hold()
      this.#waiting.add(waiter)
    })
  }

  resolve(value: T): void {
    for (const { resolve } of this.#takeAll()) resolve(value)
  }

  reject(reason: unknown): void {
    for (const { reject } of this.#takeAll()) reject(reason)
  }

  #takeAll(): Waiter<T>[] {
    if (this.#waiting.size === 0) return []
    const all = [...this.#waiting]
    this.#waiting.clear()
    for (const { ignoreSignal } of all) ignoreSignal?.()
    this.#letGo()
    return all
  }

  #letGo(): void {
    this.#release?.()
    this.#release = undefined
  }
}

/** An abort's reason is whatever the caller gave. */
export function reasonOf(signal: AbortSignal): unknown {
  return signal.reason
}
