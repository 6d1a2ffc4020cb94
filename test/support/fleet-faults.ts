import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StoreOptions } from '../../src/store-options.js'
import { cleanUp } from './cleanup.js'
import type { OwnServer } from './server-process.js'
import { tcpProxy } from './tcp-proxy.js'

/** A store of the test's own, and how to harm it. */
export interface Victim {
  readonly store: StoreOptions
  /** None of a file: only the processes are struck. */
  readonly faults: Readonly<Record<string, StoreFault>>
  /** A process that is stopped in the middle of a write keeps all others from writing, until it goes on. */
  readonly stopsWithAProcess: boolean
}

/** Resolves when it has begun, with what ends it. */
export type StoreFault = () => Promise<() => unknown>

/** Of a server that processes reach by a proxy. Both are removed after the test. */
export async function serverVictim(kind: 'redis' | 'postgres' | 'mysql', server: OwnServer): Promise<Victim> {
  cleanUp(() => server.remove())
  const proxy = await tcpProxy(server.port)
  cleanUp(() => proxy.remove())
  const url = new URL(server.url)
  url.port = String(proxy.port)
  return {
    store: { kind, url: url.href },
    stopsWithAProcess: false,
    faults: {
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
      'store cut off without a word': () => {
        proxy.silence()
        return Promise.resolve(() => proxy.mend())
      },
    },
  }
}

export function fileVictim(kind: 'file' | 'sqlite'): Victim {
  const folder = mkdtempSync(join(tmpdir(), 'token-thread-fleet-'))
  cleanUp(() => rmSync(folder, { recursive: true, force: true }))
  // SQLite's own lock is the system's, and nobody can take it over.
  return { store: { kind, path: join(folder, 'tokens') }, faults: {}, stopsWithAProcess: kind === 'sqlite' }
}
