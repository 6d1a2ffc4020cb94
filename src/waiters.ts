import type { Cancel } from './clock.js'

interface Waiter<T> {
  readonly resolve: (value: T) => void
  readonly reject: (reason: unknown) => void
}

/** Promises that wait for one thing together; while there are any, the process is kept alive. */
export class Waiters<T> {
  readonly #hold: () => Cancel
  readonly #waiting = new Set<Waiter<T>>()
  /** One listener per signal, however many wait under it: Node warns of the eleventh. */
  readonly #bySignal = new Map<AbortSignal, Set<Waiter<T>>>()
  #release: Cancel | undefined

  constructor(hold: () => Cancel) {
    this.#hold = hold
  }

  /** Rejects with the signal's reason when it aborts. */
  wait(signal?: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(reasonOf(signal))
      const waiter = { resolve, reject }
      this.#release ??= this.#hold()
      this.#waiting.add(waiter)
      if (signal) this.#under(signal).add(waiter)
    })
  }

  resolve(value: T): void {
    for (const { resolve } of this.#takeAll()) resolve(value)
  }

  reject(reason: unknown): void {
    for (const { reject } of this.#takeAll()) reject(reason)
  }

  #under(signal: AbortSignal): Set<Waiter<T>> {
    const known = this.#bySignal.get(signal)
    if (known) return known
    const group = new Set<Waiter<T>>()
    this.#bySignal.set(signal, group)
    signal.addEventListener('abort', this.#aborted, { once: true })
    return group
  }

  readonly #aborted = ({ target }: Event): void => {
    if (!(target instanceof AbortSignal)) return
    for (const waiter of this.#bySignal.get(target) ?? []) {
      this.#waiting.delete(waiter)
      waiter.reject(reasonOf(target))
    }
    this.#bySignal.delete(target)
    if (this.#waiting.size === 0) this.#letGo()
  }

  #takeAll(): Waiter<T>[] {
    if (this.#waiting.size === 0) return []
    const all = [...this.#waiting]
    this.#waiting.clear()
    for (const signal of this.#bySignal.keys()) signal.removeEventListener('abort', this.#aborted)
    this.#bySignal.clear()
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
