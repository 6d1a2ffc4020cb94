import { workerData } from 'node:worker_threads'
import { systemClock, systemRandom } from '../src/clock.js'
import type { ThreadStart } from '../src/protocol.js'
import { runRefresher } from './run.js'

/** The thread's entry; `refresher-sync` loads it, which `src/thread.ts` names and `token-thread/worker` exports. */

const start: unknown = workerData
if (!isThreadStart(start))
  throw new Error(
    'token-thread/worker is started by TokenThread, as its workerUrl: it does nothing by itself',
  )
// No top-level await: a bundler may turn this file into CommonJS. A rejection ends the thread, and is heard as its error.
void runRefresher(start, { clock: systemClock, random: systemRandom })

function isThreadStart(data: unknown): data is ThreadStart {
  return typeof data === 'object' && data !== null && 'type' in data && data.type === 'token-thread'
}
