import type { MessagePort } from 'node:worker_threads'
import type { Instant } from './clock.js'
import type { Failure } from './errors.js'
import type { TokenData } from './token.js'

/**
 * The door between the caller's thread and the refresher: every message that crosses is a member of a union here.
 * A worker file that was bundled separately may be older or newer than the library: the first message compares.
 */
export const PROTOCOL_VERSION = 3

// ---------------------------------------------------------------------------------------------- towards the thread

/** What a thread is started with (`workerData`). Secrets travel this way only. */
export interface ThreadStart {
  readonly type: 'token-thread'
  readonly protocol: number
  /** Counts the threads of one TokenThread; what a thread posts carries its number. */
  readonly incarnation: number
  readonly port: MessagePort
  readonly accounts: readonly AccountStart[]
  readonly store: StoreConfig
  /** The last known addresses of each host name: a saturated libuv pool must not delay a refresh. */
  readonly addresses: Addresses
}

export interface AccountStart {
  readonly config: AccountConfig
  /** What the last thread knew, as it last said so. */
  readonly state: AccountState | undefined
}

/** Where tokens survive. A URL may hold a password, a key is one: neither is ever shown. */
export type StoreConfig =
  | { readonly kind: 'memory' }
  | ({ readonly kind: 'file' | 'sqlite'; readonly path: string } & Encrypted)
  | ({ readonly kind: 'postgres' | 'mysql'; readonly url: string } & Encrypted)
  | ({
      readonly kind: 'redis'
      readonly urls: readonly string[]
      readonly cluster: boolean
      readonly sentinel: string | undefined
    } & Encrypted)
  | ({ readonly kind: 'module'; readonly url: string; readonly options: unknown } & Encrypted)
export type StoreKind = StoreConfig['kind']

interface Encrypted {
  /** 32 bytes each, in base64: the first one writes, all read. */
  readonly encryptionKeys: readonly string[]
}

export type Endpoint = 'stable' | 'classic'

/** What a node does at the due time while its store can't be used. */
export type OnStoreDown = 'refreshAlone' | 'wait'

/** One account's options, validated and complete. */
export interface AccountConfig {
  readonly id: string
  readonly appId: string
  readonly appSecret: string
  readonly endpoint: Endpoint
  readonly baseUrls: readonly string[]
  /** ms */
  readonly refreshAhead: number
  readonly retry: RetryConfig
  /** ms, one token call with all it takes */
  readonly timeout: number
  readonly proxy: string | undefined
  readonly onStoreDown: OnStoreDown
}

/** How long a refresh may hold the lease of a shared store, ms: the call, and what it takes to read and write around it. */
export function leaseOf(timeout: number): number {
  return timeout * 1.25
}

export interface RetryConfig {
  /** ms; also the floor between two calls of an account */
  readonly minDelay: number
  /** ms */
  readonly maxDelay: number
}

export interface Address {
  readonly address: string
  readonly family: number
}
export type Addresses = Readonly<Record<string, readonly Address[]>>

export type ToRefresher =
  /** Answered by a `token` of a newer generation, or a failure. */
  | { readonly type: 'reject'; readonly account: string; readonly id: number; readonly generation: number }
  /** An operator's refresh. `calls`: how many forced ones the limits must still allow (revoking takes two). */
  | { readonly type: 'refresh'; readonly account: string; readonly id: number; readonly calls: number }
  /** Whoever asked waits no more: what was not sent need not be. */
  | { readonly type: 'cancel'; readonly account: string; readonly id: number }
  /** A read found no live token: look at both clocks again. */
  | { readonly type: 'look'; readonly account: string }
  /** A reader in another thread: from now on it hears of the account and asks by a port of its own. */
  | { readonly type: 'join'; readonly account: string; readonly port: MessagePort }
  | { readonly type: 'ping' }
  | { readonly type: 'close' }

/** What a reader may ask; one in another thread asks only about the account that it joined. */
export type Demand = Extract<ToRefresher, { readonly type: 'reject' | 'refresh' | 'cancel' | 'look' }>

// ------------------------------------------------------------------------------------------------ from the thread

export type FromRefresher =
  | { readonly type: 'hello'; readonly incarnation: number; readonly protocol: number }
  | {
      readonly type: 'ready'
      readonly incarnation: number
      readonly requestSides: Readonly<Record<string, RequestSide>>
    }
  | {
      readonly type: 'state'
      readonly incarnation: number
      readonly account: string
      readonly state: AccountState
      readonly news: News
    }
  | {
      readonly type: 'answer'
      readonly incarnation: number
      readonly account: string
      readonly id: number
      readonly failure: Failure | undefined
    }
  | { readonly type: 'addresses'; readonly incarnation: number; readonly addresses: Addresses }
  | { readonly type: 'log'; readonly incarnation: number; readonly record: LogRecord }
  | { readonly type: 'pong'; readonly incarnation: number }

/** The port is ours alone: what is not numbered like a message of ours is ignored. */
export function isFromRefresher(message: unknown): message is FromRefresher {
  return typeof message === 'object' && message !== null && 'type' in message && 'incarnation' in message
}

/** What a state brings that listeners hear of. */
export type News = 'token' | 'failure' | 'none'

/** All that is known of an account, and nothing secret: a reader's view, and what the next thread goes on from. */
export interface AccountState {
  readonly token: TokenData | undefined
  /** When `token` ends, on both clocks. */
  readonly expires: Instant | undefined
  /** The next call that nobody asked for. */
  readonly due: Instant
  /** The token was refused by an API and no newer one is there yet. */
  readonly suspect: boolean
  /** What the last failure imposed: no call before its end but an operator's, and none at all before a limit's. */
  readonly wait:
    { readonly until: Instant; readonly why: 'backoff' | 'operator' | 'limit' | 'store' } | undefined
  /** Calls failed since the last that succeeded: the backoff's step. */
  readonly failures: number
  readonly lastFailure: PastFailure | undefined
  readonly spent: Spent
  /** The issuer said that the day's forced calls are spent, whoever spent them. */
  readonly forceOpensAt: Instant | undefined
  /** A call was sent and its answer has not come. */
  readonly inFlight: boolean
  /** What `spent` holds beyond what the store was told: calls made without it; less than 0: counted there, but never sent. */
  readonly unstored: { readonly calls: number; readonly forced: number }
  /** The highest of the store's epochs that was seen. */
  readonly epoch: number
  /** The one under which the token was published, as far as is known here. */
  readonly tokenEpoch: number
  readonly isStoreDown: boolean
  /** Tokens that were served before the store had them. */
  readonly servedFirst: number
  /** How often the issuer showed that another program fetches for the same account. */
  readonly outsiders: number
}

export interface PastFailure {
  readonly failure: Failure
  /** Wall clock, ms. */
  readonly at: number
}

/** The calls of one day, and the last ones: what budget, floor and force limits are counted from. */
export interface Spent {
  /** When the issuer's day that is counted here ends; wall clock, ms. */
  readonly dayEnds: number
  readonly calls: number
  readonly forced: number
  readonly lastCall: Instant | undefined
  readonly lastForced: Instant | undefined
}

/** How a request carries the token and how a refusal looks: plain data, for whoever sends requests. */
export interface RequestSide {
  /** A query parameter, or a header whose value begins with `prefix` (`Bearer `). */
  readonly place: { readonly in: 'query' | 'header'; readonly name: string; readonly prefix?: string }
  /** A refusal has one of the HTTP statuses, or is a JSON object whose `field` holds one of the codes. */
  readonly refused: {
    readonly statuses: readonly number[]
    readonly field: string
    readonly codes: readonly (number | string)[]
  }
  /** Where the token may go. */
  readonly origins: readonly string[]
  /** Paths that take no token: the token calls themselves, and what belongs to other tokens. A `/` at the end: all below it. */
  readonly except: readonly string[]
}

export interface LogRecord {
  readonly level: 'info' | 'warn' | 'error'
  readonly fields: Readonly<Record<string, string | number | boolean | undefined>>
  readonly message: string
}

// ----------------------------------------------------------------------------------- readers in other threads

/** A thread that wants to read asks the thread of a TokenThread. */
export interface Ask {
  readonly type: 'token-thread:subscribe'
  readonly protocol: number
  readonly account: string | undefined
}

/** Another copy of the library may have asked: `protocol` is compared by whoever answers. */
export function isAsk(message: unknown): message is Ask {
  return (
    typeof message === 'object' &&
    message !== null &&
    'type' in message &&
    message.type === 'token-thread:subscribe' &&
    'protocol' in message &&
    (!('account' in message) || message.account === undefined || typeof message.account === 'string')
  )
}

/** What a source needs to know of its account; the secret is not among it. */
export type ReaderAccount = Pick<AccountConfig, 'id' | 'endpoint' | 'timeout' | 'retry'>

/** From the thread of the TokenThread, by the port that came with the ask. */
export type FromIntroducer =
  | { readonly type: 'introduced'; readonly id: string }
  /** There is nobody of this account here, or none of this version; another copy of the library may have more. */
  | { readonly type: 'nobody'; readonly protocol: number; readonly ids: readonly string[] }
  | { readonly type: 'refused'; readonly failure: Failure }
  /** A line to a refresher: the first, and another one after each restart. */
  | { readonly type: 'line'; readonly port: MessagePort }
  /** The TokenThread was closed. */
  | { readonly type: 'closed' }

/** From the refresher itself, by the line. */
export type ToReader =
  | {
      readonly type: 'joined'
      readonly account: ReaderAccount
      readonly requestSide: RequestSide
      readonly state: AccountState
    }
  | { readonly type: 'state'; readonly state: AccountState; readonly news: News }
  | { readonly type: 'answer'; readonly id: number; readonly failure: Failure | undefined }

function typeIn(message: unknown): unknown {
  return typeof message === 'object' && message !== null && 'type' in message ? message.type : undefined
}

const INTRODUCER_TYPES: readonly unknown[] = [
  'introduced', 'nobody', 'refused', 'line', 'closed',
] satisfies FromIntroducer['type'][] // prettier-ignore
const READER_TYPES: readonly unknown[] = ['joined', 'state', 'answer'] satisfies ToReader['type'][]

/** A port that was handed over may be anybody's: what is not ours is ignored. */
export function isFromIntroducer(message: unknown): message is FromIntroducer {
  return INTRODUCER_TYPES.includes(typeIn(message))
}

export function isToReader(message: unknown): message is ToReader {
  return READER_TYPES.includes(typeIn(message))
}

/** What other code sends by the port of a reader must not harm the thread that serves all: it is ignored. */
export function isDemand(message: unknown): message is Demand {
  if (typeof message !== 'object' || message === null || !('type' in message)) return false
  const { type } = message
  if (type === 'look') return true
  if (!('id' in message) || !Number.isSafeInteger(message.id)) return false
  if (type === 'cancel') return true
  if (type === 'reject') return 'generation' in message && Number.isFinite(message.generation)
  return type === 'refresh' && 'calls' in message && (message.calls === 1 || message.calls === 2)
}
