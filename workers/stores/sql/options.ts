import type { Clock } from '../../../src/clock.js'

export interface SqlStoreOptions {
  readonly clock: Clock
  readonly warn: (message: string) => void
  /** ms, a statement with all it takes; then its connection is destroyed. Default: 5_000. */
  readonly operationTimeout?: number
}
