import type { Clock } from '../../src/clock.js'
import { emptyRecord, type Notice, type Store } from '../../src/store.js'
import {
  heldFor,
  type KeptRecord,
  released,
  withLease,
  withSpent,
  withSuspicion,
  withToken,
} from './record.js'

/** The store of one process. It lives as long as its thread; what the last thread knew is handed to the next apart. */
export function memoryStore(clock: Clock): Store {
  const records = new Map<string, KeptRecord>()
  const watchers = new Set<(notice: Notice) => void>()
  const kept = (key: string): KeptRecord => records.get(key) ?? { ...emptyRecord(0), leaseEnds: 0 }
  const read = (key: string) => ({ ...kept(key), now: clock.now() })
  const write = (key: string, record: KeptRecord | undefined): boolean => {
    if (record) records.set(key, record)
    return record !== undefined
  }
  const tell = (notice: Notice): void => {
    for (const watcher of watchers) watcher(notice)
  }
  return {
    load: read,
    acquire: (key, wanted) => {
      const now = clock.now()
      const held = heldFor(kept(key), wanted, now)
      if (held > 0) return { granted: false, stored: read(key), heldFor: held }
      records.set(key, withLease(kept(key), wanted, now))
      return { granted: true, stored: read(key) }
    },
    spend: (key, epoch, spent) => write(key, withSpent(kept(key), epoch, spent)),
    publish: (key, epoch, token) => {
      const before = kept(key).token?.generation ?? 0
      const isWritten = write(key, withToken(kept(key), epoch, token))
      const { generation } = token
      if (isWritten && generation > before) tell({ key, generation, suspect: false })
      return isWritten
    },
    markSuspect: (key, generation) => {
      if (write(key, withSuspicion(kept(key), generation))) tell({ key, generation, suspect: true })
    },
    release: (key, epoch, retry) => write(key, released(kept(key), epoch, retry)),
    watch: (onNotice) => {
      const watcher = (notice: Notice): void => onNotice(notice)
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    close: () => watchers.clear(),
  }
}
