/** What crosses between the processes and threads of the bench *fleet*. */

export const KINDS = ['redis', 'postgres', 'file'] as const
export type Kind = (typeof KINDS)[number]

export const OPERATIONS = ['load', 'acquire', 'spend', 'publish', 'markSuspect', 'release'] as const

/** What the store's module is told, and where it writes what it counts. */
export interface Sheet {
  readonly kind: Kind
  /** URL or path. */
  readonly at: string
  /** Int32, one for each of `OPERATIONS`. Shared, so that reading it asks nothing of the thread that is measured. */
  readonly counts: SharedArrayBuffer
  /** BigInt64: when `publish` was last called, ns as of `process.hrtime`, which all processes of a machine share. */
  readonly published: SharedArrayBuffer
}

export function isSheet(value: unknown): value is Sheet {
  return typeof value === 'object' && value !== null && 'counts' in value && 'published' in value
}

/** A process of the fleet, as an argument in JSON. */
export interface FleetProcess {
  /** `ours`: as many TokenThreads; `bare`: as many connections that only listen. */
  readonly what: 'ours' | 'bare'
  readonly nodes: number
  readonly kind: Kind
  readonly at: string
  /** Of the token server. */
  readonly baseUrl: string
}

export type Way = 'refresh' | 'reject'

export type ToFleetProcess =
  { readonly type: 'rotate'; readonly node: number; readonly way: Way } | { readonly type: 'count' }

export type FromFleetProcess =
  | { readonly type: 'ready' }
  /** ms, as of `process.hrtime`. */
  | { readonly type: 'seen'; readonly at: number; readonly what: string }
  | { readonly type: 'rotated'; readonly at: number; readonly what: string }
  | { readonly type: 'counted'; readonly operations: number; readonly failures: number }
  | { readonly type: 'failed'; readonly why: string }

export function isFleetProcess(value: unknown): value is FleetProcess {
  return typeof value === 'object' && value !== null && 'what' in value && 'nodes' in value
}

export function isFromFleetProcess(value: unknown): value is FromFleetProcess {
  return typeof value === 'object' && value !== null && 'type' in value
}

/** One scale for all processes of the machine, ms. */
export const machineNow = (): number => Number(process.hrtime.bigint()) / 1e6
