import type { Cancel } from './clock.js'

/** One listener per signal, however many wait under it: Node warns of the eleventh. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>()

/** Calls back once when the signal aborts. */
export function onAbort(signal: AbortSignal, callback: () => void): Cancel {
  const group = waiting.get(signal) ?? new Set()
  if (group.size === 0) {
    waiting.set(signal, group)
    signal.addEventListener('abort', aborted, { once: true })
  }
  // Wrapped, so that the same callback can wait twice.
  const entry = (): void => callback()
  group.add(entry)
  return () => {
    if (group.delete(entry) && group.size === 0) signal.removeEventListener('abort', aborted)
  }
}

function aborted({ target }: Event): void {
  if (!(target instanceof AbortSignal)) return
  const group = waiting.get(target)
  if (!group) return
  waiting.delete(target)
  for (const entry of group) entry()
}
