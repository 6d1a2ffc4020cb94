// Runs a handler from its TypeScript source, and says when it is loaded, which Piscina does not: a task given to a thread
// that still loads would wait for it.
import { parentPort, threadId, workerData } from 'node:worker_threads'
import { fromSource } from '../scripts/from-source.mjs'

const { default: handle } = await fromSource(workerData.handler)
parentPort?.postMessage({ loaded: threadId })
export default handle
