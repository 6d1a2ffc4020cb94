import { SimulatorInputError } from './checks.js'
import type { Settings } from './options.js'

/** How long things last, in milliseconds, for tokens issued from now on. */
export interface Lives {
  readonly life: number
  readonly renewalWindow: number
  readonly overlap: number
  readonly forceFloor: number
  /** Whether `expires_in` is told in whole seconds, as WeChat does; short lives keep their fractions. */
  readonly wholeSeconds: boolean
}

const ms = (seconds: number): number => Math.round(seconds * 1000)

/**
 * The lives that go with an `expiresIn`: what the options don't fix shrinks in WeChat's own proportions
 * (7200 : 300 : 300 : 30), so that a life of a second still has all its phases.
 */
export function livesOf(settings: Settings, expiresIn: number): Lives {
  const { renewalWindow = expiresIn / 24, overlap = expiresIn / 24, forceFloor = expiresIn / 240 } = settings
  if (renewalWindow >= expiresIn) {
    throw new SimulatorInputError(
      'renewalWindow',
      `must be shorter than expiresIn (${expiresIn} s): with ${renewalWindow} s each call would bring a new token`,
    )
  }
  return {
    life: ms(expiresIn),
    renewalWindow: ms(renewalWindow),
    overlap: ms(overlap),
    forceFloor: ms(forceFloor),
    wholeSeconds: Number.isInteger(expiresIn) && expiresIn >= 60,
  }
}

/** A remaining life as `expires_in`, never more than what is left. */
export const inSeconds = (remaining: number, wholeSeconds: boolean): number =>
  wholeSeconds ? Math.floor(remaining / 1000) : Math.floor(remaining) / 1000

/** Options for `TokenThread.start`, in milliseconds, that fit the simulator's lives. */
export interface ClientTimes {
  /** Two thirds of the renewal window, at most 200 s and half a life. */
  refreshAhead: number
  /** The backoff after a failed call. */
  retry: { minDelay: number; maxDelay: number }
  /** Three quarters of `refreshAhead`, 50 ms to 10 s. */
  timeout: number
}

const clamp = (value: number, min: number, max: number): number =>
  Math.floor(Math.max(min, Math.min(max, value)))

export function clientTimes({ life, renewalWindow }: Lives): ClientTimes {
  const refreshAhead = clamp(Math.min((renewalWindow * 2) / 3, life / 2), 1, 200_000)
  const minDelay = clamp(renewalWindow / 300, 1, 1000)
  return {
    refreshAhead,
    retry: { minDelay, maxDelay: clamp(renewalWindow / 5, minDelay, 60_000) },
    timeout: clamp(refreshAhead * 0.75, 50, 10_000),
  }
}
