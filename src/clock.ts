/**
 * Time, handed in to everything that waits: the only place that reads a clock or sets a timer, so that the
 * whole system also runs on a virtual clock.
 */
export interface Clock {
  /** Wall clock, ms since the epoch. It may step. For what is stored or shown. */
  now(): number
  /** Monotonic clock, ms; one scale for all threads of a process. It stands still in suspend on Linux. */
  monotonic(): number
  /** Calls back once after `ms`; never keeps the process alive. */
  timer(ms: number, callback: () => void): Cancel
  /** Keeps the process alive until cancelled. */
  hold(): Cancel
}

export type Cancel = () => void

/** A moment on both clocks: it has come as soon as either says so. */
export interface Instant {
  readonly wall: number
  readonly mono: number
}

/** `setTimeout` fires at once beyond 2^31 - 1 ms. */
const LONGEST_TIMER = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  // Not performance.now(): each thread's timeOrigin is read off the wall clock when the thread starts, so a
  // restarted thread would disagree after a clock step. hrtime is the same counter in every thread.
  monotonic: () => Number(process.hrtime.bigint()) / 1e6,
  timer(ms, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(0, Math.ceil(ms)), LONGEST_TIMER)).unref()
    return () => clearTimeout(timer)
  },
  hold() {
    const timer = setInterval(() => undefined, LONGEST_TIMER)
    return () => clearInterval(timer)
  },
}

export const systemRandom = (): number => Math.random()

export function instantNow(clock: Clock): Instant {
  return { wall: clock.now(), mono: clock.monotonic() }
}

export function later(instant: Instant, ms: number): Instant {
  return { wall: instant.wall + ms, mono: instant.mono + ms }
}

export function reached(instant: Instant, clock: Clock): boolean {
  return clock.monotonic() >= instant.mono || clock.now() >= instant.wall
}

/** The later of two moments, on each clock. */
export function laterOf(a: Instant, b: Instant): Instant {
  return { wall: Math.max(a.wall, b.wall), mono: Math.max(a.mono, b.mono) }
}

/** The moment at which the wall clock will show `wall`, if nobody steps it. */
export function atWall(wall: number, clock: Clock): Instant {
  return later(instantNow(clock), wall - clock.now())
}
