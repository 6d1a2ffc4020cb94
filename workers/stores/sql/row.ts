import type { Stored } from '../../../src/store.js'
import { TABLE } from './schema.js'

/** A row as a record, with the end of its lease beside it. */
export interface Row {
  readonly stored: Stored
  readonly leaseEnds: number
}

/** Throws where a column holds what no store of ours wrote. */
export function readRow(row: unknown): Row {
  const whole = (column: string): number => wholeOf(column, valueOf(row, column))
  const orNothing = (column: string): number | undefined =>
    valueOf(row, column) === null ? undefined : whole(column)
  const generation = orNothing('generation')
  const retryAt = orNothing('retry_at')
  return {
    leaseEnds: whole('lease_ends'),
    stored: {
      now: readNow(row),
      epoch: whole('epoch'),
      token:
        generation === undefined
          ? undefined
          : {
              accessToken: textOf('access_token', valueOf(row, 'access_token')),
              issuedAt: whole('issued_at'),
              expiresAt: whole('expires_at'),
              generation,
              epoch: whole('token_epoch'),
            },
      suspectSince: orNothing('suspect_since'),
      spent: {
        dayEnds: whole('day_ends'),
        calls: whole('calls'),
        forced: whole('forced'),
        lastCall: orNothing('last_call'),
        lastForced: orNothing('last_forced'),
      },
      retry: retryAt === undefined ? undefined : { at: retryAt, failures: whole('retry_failures') },
    },
  }
}

export function readNow(row: unknown): number {
  return wholeOf('now', valueOf(row, 'now'))
}

/** PostgreSQL gives a bigint as a string; the others give a number, or a string where it is large. */
export function wholeOf(column: string, value: unknown): number {
  const number = typeof value === 'string' || typeof value === 'bigint' ? Number(value) : value
  if (typeof number !== 'number' || !Number.isSafeInteger(number) || value === '')
    throw new Error(`${TABLE}.${column} holds no whole number`)
  return number
}

function textOf(column: string, value: unknown): string {
  if (typeof value !== 'string') throw new Error(`${TABLE}.${column} holds no text`)
  return value
}

function valueOf(row: unknown, column: string): unknown {
  return isRecord(row) ? row[column] : undefined
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
