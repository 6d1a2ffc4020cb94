import { EventEmitter, once } from 'node:events'
import { type MessagePort, Worker } from 'node:worker_threads'
import { expect } from 'vitest'
import type { TokenReader } from '../../src/index.js'
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

export function open(gate: Int32Array): void {
  Atomics.store(gate, 0, 1)
  Atomics.notify(gate, 0)
}

/** What replaced a refused token, as this thread knows it: it may hear of it a moment after a reader. */
export async function newer(tokens: TokenReader, old: string): Promise<{ accessToken: string }> {
  const { accessToken } = await tokens.reject(old)
  return { accessToken }
}

/** The reader has heard that it is over: it does so in a turn of its own. */
export async function closed(reader: ReaderThread, i: number): Promise<void> {
  for (let turn = 0; turn < 10_000; turn++) {
    const status = await reader.run('status', [i])
    if (typeof status === 'object' && status !== null && 'state' in status && status.state === 'closed')
      return
  }
  throw new Error('the reader did not hear of the end')
}

/** An error as a test expects it. */
export const withCode = (code: string, message: unknown = expect.any(String)): unknown =>
  expect.objectContaining({ code, message })
