import { EventEmitter, once } from 'node:events'
import { type MessagePort, Worker } from 'node:worker_threads'
import type { Actions } from '../fixtures/reader-thread.js'
import { cleanUp } from './cleanup.js'

interface FromThread {
  readonly event?: string
  readonly what?: unknown
  readonly id?: number
  readonly result?: unknown
  readonly failed?: { readonly code: string | undefined; readonly message: string }
}

/** A thread that reads tokens; what failed there fails here, with its code. Its events are told as text. */
export class ReaderThread extends EventEmitter {
  readonly worker: Worker
  readonly #open = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  #lastId = 0

  static async start(): Promise<ReaderThread> {
    const thread = new ReaderThread()
    cleanUp(() => thread.worker.terminate())
    await once(thread, 'up')
    return thread
  }

  private constructor() {
    super()
    this.worker = new Worker(new URL('../fixtures/reader-thread.mjs', import.meta.url), { execArgv: [] })
    this.worker.on('message', ({ event, what, id = 0, result, failed }: FromThread) => {
      if (event !== undefined) this.emit(event, what)
      const asked = this.#open.get(id)
      this.#open.delete(id)
      if (failed) asked?.reject(Object.assign(new Error(failed.message), { code: failed.code }))
      else asked?.resolve(result)
    })
  }

  /** Does something there. */
  run<K extends keyof Actions>(
    name: K,
    args: Parameters<Actions[K]>,
    transfer: MessagePort[] = [],
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId
      this.#open.set(id, { resolve, reject })
      this.worker.postMessage({ id, name, args }, transfer)
    })
  }
}
