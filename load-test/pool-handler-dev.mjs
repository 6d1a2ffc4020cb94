// Runs a handler from its TypeScript source: Node 20 loads no .ts worker by itself, also not under tsx. And says when it
// is loaded, which Piscina does not: a task given to a thread that still loads would wait for seconds.
import { parentPort, threadId, workerData } from 'node:worker_threads'
import { register } from 'tsx/esm/api'

register()
const { default: handle } = await import(workerData.handler)
parentPort?.postMessage({ loaded: threadId })
export default handle
