import type { Clock } from '../../src/clock.js'
import type { StoreConfig } from '../../src/protocol.js'
import type { Store } from '../../src/store.js'

/** Opens a shared store by its kind; what a kind needs is loaded only when it is used. Memory needs none of this. */
export type SharedStoreConfig = Exclude<StoreConfig, { kind: 'memory' }>

export interface OpenContext {
  readonly clock: Clock
  /** Tells an operator, in the log; without secrets. */
  readonly warn: (message: string) => void
}

export function openStore(config: SharedStoreConfig, context: OpenContext): Promise<Store> {
  context.warn('no store yet')
  return Promise.reject(new Error(`no store of kind ${config.kind} yet`))
}
