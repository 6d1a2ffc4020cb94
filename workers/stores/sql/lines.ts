import type { Cancel, Clock } from '../../../src/clock.js'
import { StoreOperatorError } from '../store-error.js'
import { deferred, within } from './deferred.js'
import type { Compiled } from './kysely.js'

/** What a statement brought. */
export interface Answer {
  readonly rows: readonly unknown[]
  /** Rows that it found and wrote, also where they were the same before. */
  readonly changed: number
  /** MySQL: of `last_insert_id`. */
  readonly insertId?: unknown
}

/** One connection. */
export interface Line {
  /** Rejects where it can't be opened. */
  readonly ready: Promise<void>
  isLost(): boolean
  /** Called once, when it can't be used any more; gives what takes the callback back. */
  onLost(callback: () => void): () => void
  run(query: Compiled): Promise<Answer>
  /** Takes leave of the server; bounded by whoever calls. */
  end(): Promise<void>
  destroy(): void
}

interface LinesOptions {
  readonly connect: () => Line
  readonly clock: Clock
  /** ms, a statement with all it takes: waiting for a connection, opening it, the answer. */
  readonly timeout: number
  /** Whether the server answered so; otherwise the connection is not to be trusted again. */
  readonly isAnswer: (error: unknown) => boolean
  /** Whether the server has as many connections as it takes: those that are open are good. */
  readonly isCrowded: (error: unknown) => boolean
}

interface Task {
  readonly query: Compiled
  readonly resolve: (answer: Answer) => void
  /** Gives up: of several reasons the first one counts. */
  readonly fail: (error: Error) => void
  readonly failed: Promise<never>
  readonly cancelTimer: Cancel
}

const SIZE = 2
/** ms for which one connection must do where the server takes no second one. */
const CROWDED = 30_000
/** ms, for taking leave of a server, which may not answer. */
const GOODBYE = 1_000

/**
 * A few connections for statements of their own. Each has a deadline, after which its connection is destroyed: a server
 * that is stopped, or behind a network that swallows all, never keeps a later statement waiting.
 */
export class Lines {
  readonly #options: LinesOptions
  readonly #idle: Line[] = []
  /** All that are open or being opened, and may be used again. */
  readonly #trusted = new Set<Line>()
  readonly #queue: Task[] = []
  readonly #tasks = new Set<Task>()
  #busy = 0
  /** Monotonic, ms. */
  #crowdedUntil = -Infinity
  #isClosed = false

  constructor(options: LinesOptions) {
    this.#options = options
  }

  async run(query: Compiled): Promise<Answer> {
    if (this.#isClosed) throw closed()
    const { clock, timeout } = this.#options
    const done = deferred<Answer>()
    const failed = deferred<never>()
    failed.promise.catch(() => undefined)
    const fail = (error: Error): void => failed.reject(error)
    const task: Task = {
      query,
      resolve: done.resolve,
      fail,
      failed: failed.promise,
      cancelTimer: clock.timer(timeout, () =>
        fail(new Error(`the database did not answer within ${timeout} ms`)),
      ),
    }
    this.#tasks.add(task)
    this.#queue.push(task)
    this.#serveNext()
    try {
      return await Promise.race([done.promise, failed.promise])
    } finally {
      task.cancelTimer()
      this.#tasks.delete(task)
      const waiting = this.#queue.indexOf(task)
      if (waiting >= 0) this.#queue.splice(waiting, 1)
    }
  }

  /** What is pending fails; ends soon, whatever the server does. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const task of this.#tasks) task.fail(closed())
    await Promise.all(this.#idle.splice(0).map((line) => goodbye(line, this.#options.clock)))
  }

  #serveNext(): void {
    while (this.#busy < this.#size) {
      const task = this.#queue.shift()
      if (!task) return
      this.#busy += 1
      void this.#serve(task).finally(() => {
        this.#busy -= 1
        this.#serveNext()
      })
    }
  }

  get #size(): number {
    return this.#options.clock.monotonic() < this.#crowdedUntil ? 1 : SIZE
  }

  /** Never rejects: nor does `connect` throw. */
  async #serve(task: Task): Promise<void> {
    const line = this.#take()
    try {
      await Promise.race([line.ready, task.failed])
    } catch (error) {
      this.#refused(line, task, error)
      return
    }
    try {
      task.resolve(await Promise.race([line.run(task.query), task.failed]))
      this.#giveBack(line)
    } catch (error) {
      if (this.#options.isAnswer(error)) this.#giveBack(line)
      else this.#distrust(line)
      task.fail(errorOf(error))
    }
  }

  /** The connection did not come about. */
  #refused(line: Line, task: Task, error: unknown): void {
    const { isCrowded, clock } = this.#options
    if (!isCrowded(error) && !(error instanceof StoreOperatorError)) {
      this.#distrust(line)
      task.fail(errorOf(error))
      return
    }
    // The others are not worse for it: what was to be done is done by one of them.
    line.destroy()
    this.#trusted.delete(line)
    if (this.#trusted.size === 0) task.fail(errorOf(error))
    else {
      this.#crowdedUntil = clock.monotonic() + CROWDED
      if (this.#tasks.has(task)) this.#queue.unshift(task)
    }
  }

  #take(): Line {
    for (let line = this.#idle.pop(); line; line = this.#idle.pop()) if (!line.isLost()) return line
    const line = this.#options.connect()
    this.#trusted.add(line)
    line.onLost(() => this.#trusted.delete(line))
    return line
  }

  #giveBack(line: Line): void {
    if (line.isLost()) return
    if (this.#isClosed || !this.#trusted.has(line)) {
      this.#trusted.delete(line)
      void goodbye(line, this.#options.clock)
    } else this.#idle.push(line)
  }

  /** What befell one connection most likely befell the others: each would cost a deadline, or a refusal, to find out. */
  #distrust(line: Line): void {
    this.#trusted.clear()
    for (const other of [line, ...this.#idle.splice(0)]) other.destroy()
  }
}

function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}

/** One that could not be tried at all. */
export function noLine(error: Error): Line {
  const refusal = (): Promise<never> => Promise.reject(error)
  const ready = refusal()
  ready.catch(() => undefined)
  return {
    ready,
    isLost: () => true,
    onLost: (callback) => {
      callback()
      return () => undefined
    },
    run: refusal,
    end: () => Promise.resolve(),
    destroy: () => undefined,
  }
}

/** Ends a connection within a bound, also where the server is stopped. */
export async function goodbye(line: Line, clock: Clock): Promise<void> {
  await within(clock, GOODBYE, line.end()).catch(() => undefined)
  line.destroy()
}

function closed(): Error {
  return new Error('the store was closed')
}
