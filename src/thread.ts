import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { optionError } from './errors.js'
import type { ThreadStart } from './protocol.js'

/** A running refresher, as the supervisor sees it. */
export interface Thread {
  readonly port: MessagePort
  /** Ends it at once; its exit is told as any other. */
  terminate(): void
}

/** How a thread ended. */
export interface ThreadEnd {
  readonly exitCode: number
  readonly error: unknown
}

/** Starts a thread; `onExit` is called once, after it has exited. A test runs the refresher in this thread instead. */
export type Spawn = (
  start: Omit<ThreadStart, 'port'>,
  workerUrl: URL | undefined,
  onExit: (end: ThreadEnd) => void,
) => Thread

/** MiB of old space: tokens need little, and a runaway should end this thread, not the process. */
const HEAP_LIMIT = 256

export const spawnWorker: Spawn = (start, workerUrl, onExit) => {
  const { port1, port2 } = new MessageChannel()
  const worker = new Worker(workerUrl ?? ownWorkerUrl(import.meta.url), {
    workerData: { ...start, port: port2 } satisfies ThreadStart,
    transferList: [port2],
    name: 'token-thread',
    // Neither the environment, which may hold secrets, nor the flags of the process are the thread's business.
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: HEAP_LIMIT },
  })
  let error: unknown
  worker.on('error', (thrown) => (error = thrown))
  worker.on('exit', (exitCode) => onExit({ exitCode, error }))
  worker.unref()
  return { port: port1, terminate: () => void worker.terminate() }
}

/** Looked up at the first start, not when this file is loaded: in a CommonJS bundle `import.meta.url` is undefined. */
function ownWorkerUrl(here: string | undefined): URL {
  if (here === undefined) {
    throw optionError(
      'workerUrl is missing: a bundled server must point it at its copy of token-thread/worker',
    )
  }
  return new URL(
    here.endsWith('.ts') ? '../workers/refresher-dev.mjs' : '../workers/refresher-sync.cjs',
    here,
  )
}
