import { Piscina } from 'piscina'
import type { HandlerSettings, Reply, Task } from '../workers/handler/tasks.js'
import type { TaskWithToken } from './pool-handler.js'

const OPTIONS = {
  minThreads: 2,
  maxThreads: 2,
  concurrentTasksPerWorker: 32,
  // Piscina's default parks an idle thread in `Atomics.wait`: events and answers would wait for the next task.
  atomics: 'disabled',
} as const

/** Threads that hold the token themselves; resolves when they are loaded. */
export async function subscribedPool(workerData: HandlerSettings): Promise<Piscina<Task, Reply>> {
  const filename = fileUrl('../workers/handler-dev.mjs')
  const pool = new Piscina<Task, Reply>({ ...OPTIONS, workerData, filename })
  await onEachThread(() => pool.run(EMPTY))
  return pool
}

/** Threads that get the token with each task; resolves when they are loaded. */
export async function plainPool(workerData: HandlerSettings): Promise<Piscina<TaskWithToken, Reply>> {
  const filename = fileUrl('./pool-handler-dev.mjs')
  const pool = new Piscina<TaskWithToken, Reply>({ ...OPTIONS, workerData, filename })
  await onEachThread(() => pool.run({ task: EMPTY, accessToken: '' }))
  return pool
}

/** Refused before any call is made. */
const EMPTY: Task = { kind: 'message', query: { msg_signature: '', timestamp: '', nonce: '' }, body: '' }

/** As many at once as all threads together take: so each has some. */
async function onEachThread(run: () => Promise<Reply>): Promise<void> {
  await Promise.all(Array.from({ length: OPTIONS.maxThreads * OPTIONS.concurrentTasksPerWorker }, run))
}

const fileUrl = (path: string): string => new URL(path, import.meta.url).href
