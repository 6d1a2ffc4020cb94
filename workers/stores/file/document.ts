import { isUtf8 } from 'node:buffer'
import { emptyRecord, type StoredRetry, type StoredSpent, type StoredToken } from '../../../src/store.js'
import type { KeptRecord } from '../record.js'

/**
 * What is in the file, version 1:
 *
 *     { "format": "token-thread", "version": 1, "accounts": { [key]: record } }
 *
 * What a record does not have is left out. Numbers are whole; instants are ms since the epoch.
 */
export interface Document {
  readonly accounts: ReadonlyMap<string, KeptRecord>
  /** Fields beside ours at the top: they are written back as they were. */
  readonly others: Fields
}

/** Not ours, or not whole. `why` quotes nothing of it: it may hold a token. */
export interface Damaged {
  readonly why: string
}

export function isDamaged(found: Document | Damaged): found is Damaged {
  return 'why' in found
}

type Fields = Readonly<Record<string, unknown>>

const FORMAT = 'token-thread'
const VERSION = 1

export const EMPTY_DOCUMENT: Document = { accounts: new Map(), others: {} }

export function recordOf(document: Document, key: string): KeptRecord {
  return document.accounts.get(key) ?? { ...emptyRecord(0), leaseEnds: 0 }
}

/** Throws where a number is not whole: what is written must be readable. */
export function writable(record: KeptRecord): KeptRecord {
  return recordIn(record, 'the record')
}

export function withRecords(document: Document, records: ReadonlyMap<string, KeptRecord>): Document {
  return { ...document, accounts: new Map([...document.accounts, ...records]) }
}

export function textOf({ accounts, others }: Document): string {
  return JSON.stringify({
    ...others,
    format: FORMAT,
    version: VERSION,
    accounts: Object.fromEntries(accounts),
  })
}

/** Throws a NewerVersion of a file that is ours, but yet to come. */
export function parse(bytes: Buffer): Document | Damaged {
  try {
    const { format, version, accounts, ...others } = fieldsIn(jsonIn(bytes), 'it')
    if (format !== FORMAT) throw new Damage('it is another program’s')
    const written = wholeIn(version, 'version')
    if (written > VERSION) throw new NewerVersion(written)
    if (written !== VERSION) throw new Damage('there is no such version')
    const records = Object.entries(fieldsIn(accounts, 'accounts')).map(
      ([key, record]) => [key, recordIn(record, 'an account')] as const,
    )
    return { accounts: new Map(records), others }
  } catch (error) {
    if (error instanceof Damage) return { why: error.message }
    throw error
  }
}

export class NewerVersion extends Error {
  readonly version: number

  constructor(version: number) {
    super(`it is of version ${version}`)
    this.version = version
  }
}

class Damage extends Error {}

function jsonIn(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw new Damage('it is not UTF-8')
  try {
    return JSON.parse(bytes.toString())
  } catch {
    throw new Damage('it is not JSON')
  }
}

function recordIn(value: unknown, where: string): KeptRecord {
  const { epoch, leaseEnds, token, suspectSince, spent, retry } = fieldsIn(value, where)
  return {
    epoch: wholeIn(epoch, `${where}’s epoch`),
    leaseEnds: wholeIn(leaseEnds, `${where}’s leaseEnds`),
    token: optionalIn(token, `${where}’s token`, tokenIn),
    suspectSince: optionalIn(suspectSince, `${where}’s suspectSince`, wholeIn),
    spent: spentIn(spent, `${where}’s spent`),
    retry: optionalIn(retry, `${where}’s retry`, retryIn),
  }
}

function tokenIn(value: unknown, where: string): StoredToken {
  const { accessToken, issuedAt, expiresAt, generation, epoch } = fieldsIn(value, where)
  if (typeof accessToken !== 'string') throw new Damage(`${where}.accessToken is no text`)
  return {
    accessToken,
    issuedAt: wholeIn(issuedAt, `${where}.issuedAt`),
    expiresAt: wholeIn(expiresAt, `${where}.expiresAt`),
    generation: wholeIn(generation, `${where}.generation`),
    epoch: wholeIn(epoch, `${where}.epoch`),
  }
}

function spentIn(value: unknown, where: string): StoredSpent {
  const { dayEnds, calls, forced, lastCall, lastForced } = fieldsIn(value, where)
  return {
    dayEnds: wholeIn(dayEnds, `${where}.dayEnds`),
    calls: wholeIn(calls, `${where}.calls`),
    forced: wholeIn(forced, `${where}.forced`),
    lastCall: optionalIn(lastCall, `${where}.lastCall`, wholeIn),
    lastForced: optionalIn(lastForced, `${where}.lastForced`, wholeIn),
  }
}

function retryIn(value: unknown, where: string): StoredRetry {
  const { at, failures } = fieldsIn(value, where)
  return { at: wholeIn(at, `${where}.at`), failures: wholeIn(failures, `${where}.failures`) }
}

function fieldsIn(value: unknown, where: string): Fields {
  if (!isFields(value)) throw new Damage(`${where} is no object`)
  return value
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function wholeIn(value: unknown, where: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value))
    throw new Damage(`${where} is no whole number`)
  return value
}

function optionalIn<T>(
  value: unknown,
  where: string,
  read: (value: unknown, where: string) => T,
): T | undefined {
  return value === undefined ? undefined : read(value, where)
}
