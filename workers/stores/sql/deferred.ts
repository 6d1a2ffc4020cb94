import type { Clock } from '../../../src/clock.js'

export interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (reason: Error) => void
}

export function deferred<T>(): Deferred<T> {
  let settle: Omit<Deferred<T>, 'promise'> = { resolve: () => undefined, reject: () => undefined }
  const promise = new Promise<T>((resolve, reject) => (settle = { resolve, reject }))
  return { promise, ...settle }
}

/** The same promise, for `ms` at most. */
export async function within<T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T> {
  const late = deferred<never>()
  const cancel = clock.timer(ms, () => late.reject(new Error(`the database did not answer within ${ms} ms`)))
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    cancel()
  }
}

/** The end of a connection: what waits for an answer on it then fails, whatever its driver does. */
export class Loss {
  readonly #waiting = new Set<(error: Error) => void>()
  #error: Error | undefined

  get isLost(): boolean {
    return this.#error !== undefined
  }

  /** The first reason counts. */
  lose(error: Error): void {
    if (this.#error) return
    this.#error = error
    for (const fail of this.#waiting) fail(error)
    this.#waiting.clear()
  }

  /** Gives what takes the callback back. */
  onLost(callback: () => void): () => void {
    if (this.#error) callback()
    else this.#waiting.add(callback)
    return () => this.#waiting.delete(callback)
  }

  /** The same promise, until the connection ends. */
  async orLost<T>(promise: Promise<T>): Promise<T> {
    const { promise: lost, reject } = deferred<never>()
    if (this.#error) reject(this.#error)
    this.#waiting.add(reject)
    try {
      return await Promise.race([promise, lost])
    } finally {
      this.#waiting.delete(reject)
    }
  }
}
