import type { Cancel, Clock } from '../src/clock.js'
import { Heap } from '../src/heap.js'

interface Timer {
  /** Monotonic. */
  readonly at: number
  /** Of timers of one instant, the one that was set first fires first. */
  readonly order: number
  callback: (() => void) | undefined
}

const BEGIN = Date.UTC(2026, 0, 15, 4)

/** ms; timers fire on this grid only, so that a fleet's many take fewer turns. */
const GRID = 5

/** Virtual time for tens of thousands of timers: a heap. */
export class HeapClock implements Clock {
  #mono = 0
  #order = 0
  readonly #heap = new Heap<Timer>((a, b) => a.at < b.at || (a.at === b.at && a.order < b.order))

  now(): number {
    return BEGIN + this.#mono
  }

  monotonic(): number {
    return this.#mono
  }

  timer(ms: number, callback: () => void): Cancel {
    const timer: Timer = {
      at: Math.ceil((this.#mono + Math.max(0, ms)) / GRID) * GRID,
      order: (this.#order += 1),
      callback,
    }
    this.#heap.push(timer)
    return () => {
      timer.callback = undefined
    }
  }

  hold(): Cancel {
    return () => undefined
  }

  /** Lets `ms` pass. All that is due at one instant fires; then promises come to rest. */
  async advance(ms: number): Promise<void> {
    const end = Math.ceil(this.#mono + ms)
    await rest()
    for (let { first } = this.#heap; first && first.at <= end; first = this.#heap.first) {
      this.#mono = first.at
      if (this.#fire(first.at)) await rest()
    }
    this.#mono = end
  }

  #fire(at: number): boolean {
    let fired = false
    for (let { first } = this.#heap; first && first.at <= at; first = this.#heap.first) {
      this.#heap.pop()
      if (!first.callback) continue
      first.callback()
      fired = true
    }
    return fired
  }
}

/** Everything here waits by promises and this clock: when a turn of the event loop is over, all of it is at rest. */
const rest = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
