import { randomInt } from 'node:crypto'
// Imported: a test's fake timers replace the global one.
import { setImmediate } from 'node:timers'
import type { Cancel, Clock } from '../../../src/clock.js'
import type { Change, KeptRecord } from '../record.js'
import { type Document, recordOf, withRecords, writable } from './document.js'

/** ms that a turn of the event loop may spend; what comes then waits for the next turn, and goes into one write. */
const BUDGET = 10
/** ms; a lock is tried again after about half of it. */
const LONGEST_PAUSE = 16

/** An operation on one record, and who waits for its answer. */
export interface Task {
  readonly key: string
  /** Monotonic, ms; until then it is tried. */
  readonly until: number
  /** What becomes of the record (undefined: nothing is written), and what tells the answer when that is in place. */
  readonly run: (
    kept: KeptRecord,
    now: number,
  ) => { readonly record: KeptRecord | undefined; readonly done: () => void }
  readonly fail: (error: unknown) => void
}

export function taskOf<T>(
  key: string,
  change: Change<T>,
  until: number,
  done: (answer: T) => void,
  fail: (error: unknown) => void,
): Task {
  const run: Task['run'] = (kept, now) => {
    const { record, answer } = change(kept, now)
    return { record, done: () => done(answer) }
  }
  return { key, until, run, fail }
}

/**
 * The document with all that these do to it, one after the other (the same one: they do nothing), and what then tells
 * each its answer. One that fails changes nothing, and is no harm to the others.
 */
export function changedBy(
  tasks: readonly Task[],
  document: Document,
  now: number,
): { readonly next: Document; readonly outcomes: readonly (() => void)[] } {
  const changed = new Map<string, KeptRecord>()
  const outcomes = tasks.map(({ key, run, fail }) => {
    try {
      const { record, done } = run(changed.get(key) ?? recordOf(document, key), now)
      if (record) changed.set(key, writable(record))
      return done
    } catch (error) {
      return () => fail(error)
    }
  })
  return { next: changed.size > 0 ? withRecords(document, changed) : document, outcomes }
}

export interface TasksParts {
  readonly clock: Clock
  /** Does what needs no writing. Both give back what is still to be done, and never throw. */
  readonly answer: (tasks: readonly Task[]) => readonly Task[]
  /** Does all, in one write. */
  readonly attempt: (tasks: readonly Task[]) => readonly Task[]
  /** Why a task is given up. */
  readonly tooLate: () => Error
}

/**
 * When tasks are done: at once, so that one account waits for nothing, until this turn of the event loop has spent its
 * time. The others leave turns to I/O, messages and signs of life. All that wait, also for the lock, share one try.
 */
export class Tasks {
  readonly #parts: TasksParts
  #waiting: readonly Task[] = []
  /** ms, in this turn. */
  #spent = 0
  #turnEnds = false
  #cancelPause: Cancel | undefined

  constructor(parts: TasksParts) {
    this.#parts = parts
  }

  add(task: Task): void {
    if (this.#cancelPause || this.#spent >= BUDGET) this.#wait(this.#parts.answer([task]))
    else this.#attempt([task])
  }

  /** Whoever waits is told why. */
  close(error: Error): void {
    this.#cancelPause?.()
    this.#cancelPause = undefined
    for (const { fail } of this.#takeWaiting()) fail(error)
  }

  #attempt(tasks: readonly Task[]): void {
    const { clock, attempt } = this.#parts
    const began = clock.monotonic()
    this.#wait(attempt(tasks))
    this.#spent += clock.monotonic() - began
    // The lock was not to be had.
    if (this.#waiting.length > 0)
      this.#cancelPause ??= clock.timer(randomInt(1, LONGEST_PAUSE), () => {
        this.#cancelPause = undefined
        this.#attemptWaiting()
      })
    if (this.#turnEnds) return
    this.#turnEnds = true
    setImmediate(() => {
      this.#turnEnds = false
      this.#spent = 0
      if (!this.#cancelPause) this.#attemptWaiting()
    })
  }

  #attemptWaiting(): void {
    const waiting = this.#takeWaiting()
    // A process may have slept: nobody waits for it any more, and it must not take a lease for nobody.
    const now = this.#parts.clock.monotonic()
    const late = waiting.filter(({ until }) => now >= until)
    const error = late.length > 0 ? this.#parts.tooLate() : undefined
    for (const { fail } of late) fail(error)
    const left = waiting.filter((task) => !late.includes(task))
    if (left.length > 0) this.#attempt(left)
  }

  #wait(tasks: readonly Task[]): void {
    if (tasks.length > 0) this.#waiting = [...this.#waiting, ...tasks]
  }

  #takeWaiting(): readonly Task[] {
    const waiting = this.#waiting
    this.#waiting = []
    return waiting
  }
}
