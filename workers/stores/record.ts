import {
  type LeaseWanted,
  type PublishedToken,
  type Stored,
  type StoredRetry,
  type StoredSpent,
} from '../../src/store.js'

/** The contract as arithmetic, for stores that read a record, change it and write it: memory and file. */

/** A record as it is kept: when its lease ends beside what is read. */
export interface KeptRecord extends Omit<Stored, 'now'> {
  /** On the store's clock; 0: no lease. */
  readonly leaseEnds: number
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
