import type { Cancel, Clock } from '../../src/clock.js'

interface Timer {
  readonly at: number
  readonly callback: () => void
}

/** Time that moves only when a test says so. Timers run in order; between two of them everything else comes to rest. */
export class VirtualClock implements Clock {
  #wall: number
  #mono = 1_000
  readonly #timers = new Set<Timer>()
  /** How many promises keep the process alive. */
  holds = 0

  constructor(wall = Date.UTC(2026, 0, 15, 4)) {
    this.#wall = wall
  }

  now(): number {
    return this.#wall
  }

  monotonic(): number {
    return this.#mono
  }

  timer(ms: number, callback: () => void): Cancel {
    if (ms > 2 ** 31 - 1) throw new Error(`a timer of ${ms} ms would fire at once`)
    const timer = { at: this.#mono + Math.max(0, ms), callback }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  hold(): Cancel {
    this.holds += 1
    let held = true
    return () => {
      if (held) this.holds -= 1
      held = false
    }
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.size
  }

  /** Lets `ms` pass. */
  async advance(ms: number): Promise<void> {
    const end = this.#mono + ms
    await settle()
    for (let next = this.#first(end); next; next = this.#first(end)) {
      this.#move(next.at)
      this.#timers.delete(next)
      next.callback()
      await settle()
    }
    this.#move(end)
    await settle()
  }

  /** The wall clock jumps; no time passes. */
  step(ms: number): void {
    this.#wall += ms
  }

  /** The machine sleeps: the wall clock goes on, the monotonic one stands still, no timer fires. */
  suspend(ms: number): void {
    this.#wall += ms
  }

  /** The thread is busy: time passes and no timer fires. */
  block(ms: number): void {
    this.#move(this.#mono + ms)
  }

  #first(end: number): Timer | undefined {
    let first: Timer | undefined
    for (const timer of this.#timers) if (timer.at <= end && (!first || timer.at < first.at)) first = timer
    return first
  }

  #move(mono: number): void {
    if (mono <= this.#mono) return
    this.#wall += mono - this.#mono
    this.#mono = mono
  }
}

/** Lets promises and messages between ports of this thread come to rest. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve))
}
