import type { Clock } from '../../src/clock.js'
import { emptyRecord, type Notice, type Store } from '../../src/store.js'
import { type Change, type KeptRecord, newsOf, operationsOver } from './record.js'

/** The store of one process. It lives as long as its thread; what the last thread knew is handed to the next apart. */
export function memoryStore(clock: Clock): Store {
  const records = new Map<string, KeptRecord>()
  const watchers = new Set<(notice: Notice) => void>()
  const update = <T>(key: string, change: Change<T>): T => {
    const kept = records.get(key) ?? { ...emptyRecord(0), leaseEnds: 0 }
    const { record, answer } = change(kept, clock.now())
    if (!record) return answer
    records.set(key, record)
    for (const notice of newsOf(key, kept, record)) for (const watcher of watchers) watcher(notice)
    return answer
  }
  return {
    ...operationsOver(update),
    watch: (onNotice) => {
      const watcher = (notice: Notice): void => onNotice(notice)
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    close: () => watchers.clear(),
  }
}
