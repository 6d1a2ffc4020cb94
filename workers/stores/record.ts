import type {
  Acquired,
  Awaitable,
  LeaseWanted,
  Notice,
  PublishedToken,
  Store,
  Stored,
  StoredRetry,
  StoredSpent,
} from '../../src/store.js'

/** The contract as arithmetic, for stores that read a record, change it and write it: memory and file. */

/** A record as it is kept: when its lease ends beside what is read. */
export interface KeptRecord extends Omit<Stored, 'now'> {
  /** On the store's clock; 0: no lease. */
  readonly leaseEnds: number
}

/** What becomes of a record, and what is answered then; without a record nothing is written. */
export type Change<T> = (
  kept: KeptRecord,
  now: number,
) => { readonly record?: KeptRecord | undefined; readonly answer: T }

type Operations = Pick<Store, 'load' | 'acquire' | 'spend' | 'publish' | 'markSuspect' | 'release'>

/** The contract's operations over `update`, which reads a record, changes it and writes it as one step. */
export function operationsOver(update: <T>(key: string, change: Change<T>) => Awaitable<T>): Operations {
  const write = (key: string, change: (kept: KeptRecord) => KeptRecord | undefined): Awaitable<boolean> =>
    update(key, (kept) => {
      const record = change(kept)
      return { record, answer: record !== undefined }
    })
  return {
    load: (key) => update(key, (kept, now) => ({ answer: storedOf(kept, now) })),
    acquire: (key, wanted) =>
      update<Acquired>(key, (kept, now) => {
        const held = heldFor(kept, wanted, now)
        if (held > 0) return { answer: { granted: false, stored: storedOf(kept, now), heldFor: held } }
        const record = withLease(kept, wanted, now)
        return { record, answer: { granted: true, stored: storedOf(record, now) } }
      }),
    spend: (key, epoch, spent) => write(key, (kept) => withSpent(kept, epoch, spent)),
    publish: (key, epoch, token) => write(key, (kept) => withToken(kept, epoch, token)),
    markSuspect: (key, generation) =>
      update(key, (kept) => ({ record: withSuspicion(kept, generation), answer: undefined })),
    release: (key, epoch, retry) => write(key, (kept) => released(kept, epoch, retry)),
  }
}

/** What those who watch must hear of a record that has changed. */
export function newsOf(key: string, before: KeptRecord | undefined, after: KeptRecord): readonly Notice[] {
  const generation = after.token?.generation ?? 0
  const isNewer = generation > (before?.token?.generation ?? 0)
  const isSuspect = after.suspectSince !== undefined && (isNewer || before?.suspectSince === undefined)
  return [
    ...(isNewer ? [{ key, generation, suspect: false }] : []),
    ...(isSuspect ? [{ key, generation, suspect: true }] : []),
  ]
}

function storedOf({ epoch, token, suspectSince, spent, retry }: KeptRecord, now: number): Stored {
  return { now, epoch, token, suspectSince, spent, retry }
}

export function withLease(kept: KeptRecord, { duration, known }: LeaseWanted, now: number): KeptRecord {
  const epoch = Math.max(kept.epoch + 1, (kept.token?.generation ?? 0) + 1, known + 1, Math.floor(now))
  return { ...kept, epoch, leaseEnds: now + duration }
}

/** ms that another's lease still lasts. */
export function heldFor({ leaseEnds }: KeptRecord, { duration }: LeaseWanted, now: number): number {
  const left = leaseEnds - now
  return left > 0 && left <= LONGEST_LEASE * duration ? left : 0
}

/** In durations of the lease that is wanted. One that ends later is none: the store's clock was stepped back. */
export const LONGEST_LEASE = 10

/** Each gives undefined where the write is refused. */
export function withSpent(kept: KeptRecord, epoch: number, spent: StoredSpent): KeptRecord | undefined {
  return kept.epoch === epoch ? { ...kept, spent } : undefined
}

export function withToken(
  kept: KeptRecord,
  epoch: number,
  { accessToken, issuedAt, expiresAt, generation }: PublishedToken,
): KeptRecord | undefined {
  const stored = kept.token?.generation ?? 0
  if (kept.epoch !== epoch || generation < stored) return undefined
  return {
    ...kept,
    token: { accessToken, issuedAt, expiresAt, generation, epoch },
    suspectSince: generation > stored ? undefined : kept.suspectSince,
    retry: undefined,
  }
}

export function withSuspicion(kept: KeptRecord, generation: number): KeptRecord | undefined {
  if (kept.token?.generation !== generation || kept.suspectSince !== undefined) return undefined
  return { ...kept, suspectSince: kept.epoch }
}

export function released(
  kept: KeptRecord,
  epoch: number,
  retry: StoredRetry | undefined,
): KeptRecord | undefined {
  return kept.epoch === epoch ? { ...kept, leaseEnds: 0, retry: retry ?? kept.retry } : undefined
}
