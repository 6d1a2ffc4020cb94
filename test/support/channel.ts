import { BroadcastChannel } from 'node:worker_threads'
import { cleanUp } from './cleanup.js'

export const MORTAL_WORKER = new URL('../fixtures/mortal-worker.mjs', import.meta.url)

export interface Fate {
  /** Makes every mortal worker of this process die in one way. */
  readonly kill: (how: 'exit' | 'throw' | 'memory' | 'hang') => void
  /** Resolves when the next mortal worker has come to life. */
  readonly alive: () => Promise<void>
}

export function fate(): Fate {
  const channel = new BroadcastChannel('token-thread-test-death')
  cleanUp(() => channel.close())
  return {
    kill: (how) => channel.postMessage(how),
    alive: () => new Promise((resolve) => (channel.onmessage = () => resolve())),
  }
}
