import type { CallKind } from './call.js'

/** A request came in, whole; nothing is decided yet. */
export interface RequestEvent {
  readonly kind: CallKind
  /** The path without its query, which holds secrets. */
  readonly path: string
  /** The account, as far as the request tells. */
  readonly appId?: string
  /** A stable call with `force_refresh: true`. */
  readonly forced: boolean
  /** Milliseconds since 1970 on the simulator's clock. */
  readonly at: number
}

/** A request is over: one event for each. `faulted` also when its client left while it was held or delayed. */
export interface CallEvent extends RequestEvent {
  readonly outcome: 'issued' | 'unchanged' | 'ok' | 'refused' | 'faulted'
  /** The errcode it was answered with; with `faulted`, the injected one. */
  readonly errcode?: number
}

/** What `sim.on` listens to. Its events come after the counters have counted. */
export interface SimulatorEvents {
  request: [RequestEvent]
  call: [CallEvent]
}
