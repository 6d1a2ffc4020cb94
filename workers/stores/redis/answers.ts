import type { Acquired, Stored, StoredRetry, StoredToken } from '../../../src/store.js'
import { StoreOperatorError } from '../store-error.js'

/** Reads what the scripts return. They have looked at the numbers: what is wrong here is no answer of theirs. */

export function storedIn(reply: unknown, key: string): Stored {
  return recordIn(partsOf(reply, key))
}

export function acquiredIn(reply: unknown, key: string): Acquired {
  const parts = partsOf(reply, key)
  const stored = recordIn(parts)
  return parts[0] === 'granted'
    ? { granted: true, stored }
    : { granted: false, stored, heldFor: numberFrom(parts[2]) }
}

/** Whether it was written, or refused. */
export function isWrittenIn(reply: unknown, key: string): boolean {
  return partsOf(reply, key)[0] === 'written'
}

function partsOf(reply: unknown, key: string): readonly unknown[] {
  if (!Array.isArray(reply)) throw new Error('Redis answered a script with something else')
  const parts: readonly unknown[] = reply
  if (parts[0] === 'damaged')
    throw new StoreOperatorError(
      `The key ${key} in Redis is damaged, or not ours: its field ${String(parts[1])} is wrong. Nothing was changed; delete the key to start anew`,
    )
  return parts
}

function recordIn([, now, , flat]: readonly unknown[]): Stored {
  const list: readonly unknown[] = Array.isArray(flat) ? flat : []
  const fields = new Map<unknown, unknown>()
  for (let i = 0; i < list.length; i += 2) fields.set(list[i], list[i + 1])
  const whole = (field: string): number => numberFrom(fields.get(field) ?? 0)
  const optional = (field: string): number | undefined => (fields.has(field) ? whole(field) : undefined)
  return {
    now: numberFrom(now),
    epoch: whole('epoch'),
    token: tokenIn(fields.get('accessToken'), whole),
    suspectSince: optional('suspectSince'),
    spent: {
      dayEnds: whole('dayEnds'),
      calls: whole('calls'),
      forced: whole('forced'),
      lastCall: optional('lastCall'),
      lastForced: optional('lastForced'),
    },
    retry: retryIn(optional('retryAt'), whole),
  }
}

function tokenIn(accessToken: unknown, whole: (field: string) => number): StoredToken | undefined {
  if (typeof accessToken !== 'string') return undefined
  return {
    accessToken,
    issuedAt: whole('issuedAt'),
    expiresAt: whole('expiresAt'),
    generation: whole('generation'),
    epoch: whole('tokenEpoch'),
  }
}

function retryIn(at: number | undefined, whole: (field: string) => number): StoredRetry | undefined {
  return at === undefined ? undefined : { at, failures: whole('failures') }
}

function numberFrom(value: unknown): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number)) throw new Error('Redis answered a script with something else')
  return number
}
