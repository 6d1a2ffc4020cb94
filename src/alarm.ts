import { type Cancel, type Clock, type Instant, reached } from './clock.js'
import { Heap } from './heap.js'

/** No sleep is longer than this, so that a suspended machine or a stepped clock is noticed. */
const LONGEST_STEP = 30_000
/** Nor need it be looked at more often than this. */
const SHORTEST_STEP = 1_000
/** The two clocks drift apart by less than this unless one was stepped or the machine slept. */
const STEP_NOTICED = 50

interface Entry {
  readonly at: Instant
  readonly ring: () => void
  cancelled: boolean
}

/**
 * All the waits of one thread: a heap of moments and a single timer. Long waits are slept in steps (half of what
 * is left, between 1 s and 30 s) and looked at again on both clocks.
 */
export class Alarm {
  readonly #clock: Clock
  readonly #heap = new Heap<Entry>((a, b) => a.at.mono < b.at.mono)
  #cancelTimer: Cancel | undefined
  #armedFor = Infinity
  #drift: number
  /** Cancelled since the heap was last swept, at most. */
  #cancelled = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#drift = clock.now() - clock.monotonic()
  }

  /** Rings once, in a turn of its own, when either clock has reached `at`. */
  set(at: Instant, ring: () => void): Cancel {
    const entry: Entry = { at, ring, cancelled: false }
    this.#heap.push(entry)
    this.#arm()
    return () => {
      if (entry.cancelled) return
      entry.cancelled = true
      this.#cancelled += 1
      if (this.#cancelled > 64 && this.#cancelled > this.#heap.size / 2) this.#compact()
      if (this.#heap.first === entry) this.#arm()
    }
  }

  /** Looks at the clocks now, without waiting for the step to end. */
  check(): void {
    this.#cancelTimer?.()
    this.#wake()
  }

  #wake(): void {
    this.#cancelTimer = undefined
    this.#armedFor = Infinity
    const due = this.#takeDue()
    this.#arm()
    for (const entry of due) {
      if (entry.cancelled) continue
      try {
        entry.ring()
      } catch (error) {
        // A bug; the others must ring all the same.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }

  #takeDue(): Entry[] {
    const due: Entry[] = []
    const drift = this.#clock.now() - this.#clock.monotonic()
    if (Math.abs(drift - this.#drift) > STEP_NOTICED) {
      // The wall clock moved against the monotonic one: the heap's order (monotonic) says nothing about it.
      for (const entry of this.#heap.drain()) {
        if (!reached(entry.at, this.#clock)) this.#heap.push(entry)
        else due.push(entry)
      }
      due.sort((a, b) => a.at.mono - b.at.mono)
    }
    this.#drift = drift
    for (
      let { first } = this.#heap;
      first && (first.cancelled || reached(first.at, this.#clock));
      first = this.#heap.first
    ) {
      due.push(first)
      this.#heap.pop()
    }
    return due
  }

  #arm(): void {
    this.#dropCancelled()
    const { first } = this.#heap
    if (!first) {
      this.#cancelTimer?.()
      this.#cancelTimer = undefined
      this.#armedFor = Infinity
      return
    }
    const now = this.#clock.monotonic()
    // A wall clock that was stepped forward can make an entry due before the monotonic clock says so.
    const left = Math.max(0, Math.min(first.at.mono - now, first.at.wall - this.#clock.now()))
    const step = Math.min(left, Math.max(SHORTEST_STEP, Math.min(LONGEST_STEP, left / 2)))
    if (this.#cancelTimer && this.#armedFor <= now + step) return
    this.#cancelTimer?.()
    this.#armedFor = now + step
    this.#cancelTimer = this.#clock.timer(step, () => this.#wake())
  }

  /** Cancelled entries far down would stay until they are due. */
  #compact(): void {
    this.#cancelled = 0
    for (const entry of this.#heap.drain()) if (!entry.cancelled) this.#heap.push(entry)
    this.#arm()
  }

  #dropCancelled(): void {
    while (this.#heap.first?.cancelled) this.#heap.pop()
  }
}
