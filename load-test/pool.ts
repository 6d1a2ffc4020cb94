import type { EventEmitter } from 'node:events'
import { Piscina } from 'piscina'
import type { HandlerSettings, Reply, Task } from '../workers/handler/tasks.js'
import type { TaskWithToken } from './pool-handler.js'

const fileUrl = (path: string): string => new URL(path, import.meta.url).href

const OPTIONS = {
  filename: fileUrl('./pool-handler-dev.mjs'),
  minThreads: 2,
  maxThreads: 2,
  concurrentTasksPerWorker: 32,
  // Piscina's default parks an idle thread in `Atomics.wait`: events and answers would wait for the next task.
  atomics: 'disabled',
} as const

/** Threads that hold the token themselves; resolves when they are loaded. */
export async function subscribedPool(settings: HandlerSettings): Promise<Piscina<Task, Reply>> {
  const workerData = { ...settings, handler: fileUrl('../workers/handler.ts') }
  const pool = new Piscina<Task, Reply>({ ...OPTIONS, workerData })
  await loaded(pool)
  return pool
}

/** Threads that get the token with each task; resolves when they are loaded. */
export async function plainPool(settings: HandlerSettings): Promise<Piscina<TaskWithToken, Reply>> {
  const workerData = { ...settings, handler: fileUrl('./pool-handler.ts') }
  const pool = new Piscina<TaskWithToken, Reply>({ ...OPTIONS, workerData })
  await loaded(pool)
  return pool
}

function loaded(pool: EventEmitter): Promise<void> {
  const threads = new Set<unknown>()
  return new Promise((resolve, reject) => {
    pool.on('message', (message: unknown) => {
      if (typeof message === 'object' && message !== null && 'loaded' in message) threads.add(message.loaded)
      if (threads.size === OPTIONS.minThreads) resolve()
    })
    pool.on('error', reject)
  })
}
