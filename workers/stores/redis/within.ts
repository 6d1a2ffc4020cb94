import type { Clock } from '../../../src/clock.js'
import { ServerFailure } from './failures.js'

/**
 * Work that is given up after `ms`, or with `outer`: its signal then aborts, and it fails with `why`, or with outer's
 * reason. What it waits for must heed the signal.
 */
export async function within<T>(
  clock: Clock,
  ms: number,
  outer: AbortSignal,
  why: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  outer.throwIfAborted()
  const controller = new AbortController()
  const abort = (): void => controller.abort(outer.reason)
  outer.addEventListener('abort', abort, { once: true })
  const cancel = clock.timer(ms, () => controller.abort(new ServerFailure(why)))
  try {
    return await work(controller.signal)
  } catch (error) {
    // What failed because it was given up says nothing of why.
    controller.signal.throwIfAborted()
    throw error
  } finally {
    cancel()
    outer.removeEventListener('abort', abort)
  }
}

/** Somebody else's work, waited for no longer than the signal lets us. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(reasonOf(signal))
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

function reasonOf({ reason }: AbortSignal): Error {
  return reason instanceof Error ? reason : new Error('given up')
}

/** Resolves after `ms`, or as soon as the signal aborts. */
export async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => {
    const end = (): void => {
      cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const cancel = clock.timer(ms, end)
    signal.addEventListener('abort', end)
  })
}
