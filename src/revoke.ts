import type { Alarm } from './alarm.js'
import { type Clock, instantNow, later } from './clock.js'
import { TokenThreadError } from './errors.js'
import type { Token } from './token.js'
import { Waiters } from './waiters.js'

/** ms; forced calls are spaced by less than this: what says to wait longer is the day's limit. */
const LONGEST_SPACING = 120_000
/** Of the second call; the first attempt only learns how long the spacing is. */
const MOST_ATTEMPTS = 5

/**
 * Makes a leaked token void: WeChat's page says that this takes two forced calls, 30 s apart. Both must be within the
 * day's limit before the first is sent. `forced` says by its `retryAt` when the second may follow.
 */
export async function revoke(
  forced: (calls: number) => Promise<Token>,
  clock: Clock,
  alarm: Alarm,
  floor: number,
  signal: AbortSignal | undefined,
): Promise<Token> {
  await forced(2)
  for (let attempts = 1; ; attempts++) {
    try {
      return await forced(1)
    } catch (error) {
      // Half revoked is not revoked: the spacing is waited for, and what may pass is tried again, within reason.
      if (!(error instanceof TokenThreadError) || !error.retryable || attempts >= MOST_ATTEMPTS) throw error
      const wait = error.code === 'ERR_FETCH_LIMIT' ? (error.retryAt ?? Infinity) - clock.now() : floor
      if (wait > LONGEST_SPACING) throw error
      await sleep(Math.max(wait, floor), clock, alarm, signal)
    }
  }
}

async function sleep(ms: number, clock: Clock, alarm: Alarm, signal: AbortSignal | undefined): Promise<void> {
  const slept = new Waiters<undefined>(() => clock.hold())
  const cancel = alarm.set(later(instantNow(clock), ms), () => slept.resolve(undefined))
  try {
    await slept.wait(signal)
  } finally {
    cancel()
  }
}
