import type { Clock } from '../../../src/clock.js'

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
  const cancel = clock.timer(ms, () => controller.abort(new Error(why)))
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
