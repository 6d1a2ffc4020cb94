import type { Alarm } from './alarm.js'
import { type Cancel, type Clock, instantNow, later } from './clock.js'

/** Beats without a word after which a thread that has spoken is taken for hung. */
const PATIENCE = 3
/** ms; a thread that has not said its first word may still be loading. */
const LOADING_TIME = 30_000

interface Pulse {
  /** Asks for a sign of life. */
  ask(): void
  /** Takes in what is waiting. */
  drain(): void
  /** The thread hangs. */
  silent(): void
}

/**
 * Tells a hung thread from a blocked reader: silence counts only when what was posted has been drained and this
 * thread's own loop was on time. After a main thread blocked for 2 s the check runs before the waiting answer.
 */
export class Heartbeat {
  readonly #clock: Clock
  readonly #alarm: Alarm
  readonly #interval: number
  readonly #pulse: Pulse
  #cancel: Cancel | undefined
  #spoke = false
  #heard = false
  #silentBeats = 0

  constructor(clock: Clock, alarm: Alarm, interval: number, pulse: Pulse) {
    this.#clock = clock
    this.#alarm = alarm
    this.#interval = interval
    this.#pulse = pulse
  }

  start(): void {
    this.#spoke = false
    this.#silentBeats = 0
    this.#next()
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  heard(): void {
    this.#spoke = true
    this.#heard = true
  }

  #next(): void {
    this.#heard = false
    const planned = later(instantNow(this.#clock), this.#interval)
    this.#cancel = this.#alarm.set(planned, () => this.#beat(planned.mono))
  }

  #beat(planned: number): void {
    const onTime = this.#clock.monotonic() - planned < this.#interval / 2
    this.#pulse.drain()
    this.#silentBeats = this.#heard || !onTime ? 0 : this.#silentBeats + 1
    const patience = this.#spoke ? PATIENCE : Math.ceil(LOADING_TIME / this.#interval)
    if (this.#silentBeats >= patience) return this.#pulse.silent()
    this.#pulse.ask()
    this.#next()
  }
}
