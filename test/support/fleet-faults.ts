import type { StoreOptions } from '../../src/store-options.js'
import type { TcpProxy } from './tcp-proxy.js'

/** A store of the test's own, and how to harm it. */
export interface Victim {
  readonly store: StoreOptions
  /** None of a file: only the processes are struck. */
  readonly faults: Readonly<Record<string, StoreFault>>
}

/** Resolves when it has begun, with what ends it. */
export type StoreFault = () => Promise<() => unknown>

interface Server {
  start(): Promise<void>
  stop(): Promise<void>
  kill(): Promise<void>
  pause(): void
  resume(): void
}

/** Of a server that processes reach by the proxy. */
export function faultsOf(server: Server, proxy: TcpProxy): Victim['faults'] {
  return {
    'store restarted': async () => {
      await server.stop()
      return () => server.start()
    },
    'store killed': async () => {
      await server.kill()
      return () => server.start()
    },
    'store paused': () => {
      server.pause()
      return Promise.resolve(() => server.resume())
    },
    'store cut off': () => {
      proxy.cut()
      return Promise.resolve(() => proxy.mend())
    },
  }
}
