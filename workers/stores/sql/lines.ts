import type { Cancel, Clock } from '../../../src/clock.js'
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
/** ms, for taking leave of a server, which may not answer. */
const GOODBYE = 1_000

/**
 * A few connections for statements of their own. Each has a deadline, after which its connection is destroyed: a server
 * that is stopped, or behind a network that swallows all, never keeps a later statement waiting.
 */
export class Lines {
  readonly #options: LinesOptions
  readonly #idle: Line[] = []
  readonly #queue: Task[] = []
  readonly #tasks = new Set<Task>()
  #busy = 0
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
    while (this.#busy < SIZE) {
      const task = this.#queue.shift()
      if (!task) return
      this.#busy += 1
      void this.#serve(task).finally(() => {
        this.#busy -= 1
        this.#serveNext()
      })
    }
  }

  /** Never rejects. */
  async #serve(task: Task): Promise<void> {
    const line = this.#take()
    try {
      task.resolve(await Promise.race([this.#ask(line, task.query), task.failed]))
      this.#giveBack(line)
    } catch (error) {
      if (this.#options.isAnswer(error)) this.#giveBack(line)
      else {
        // What befell one connection most likely befell the others: each would cost a deadline to find out.
        for (const other of [line, ...this.#idle.splice(0)]) other.destroy()
      }
      task.fail(error instanceof Error ? error : new Error(String(error)))
    }
  }

  async #ask(line: Line, query: Compiled): Promise<Answer> {
    await line.ready
    return line.run(query)
  }

  #take(): Line {
    for (let line = this.#idle.pop(); line; line = this.#idle.pop()) if (!line.isLost()) return line
    return this.#options.connect()
  }

  #giveBack(line: Line): void {
    if (this.#isClosed) void goodbye(line, this.#options.clock)
    else if (!line.isLost()) this.#idle.push(line)
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
