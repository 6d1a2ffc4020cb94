import { describe, expect, it } from 'vitest'
import { Alarm } from '../../src/alarm.js'
import { Heartbeat } from '../../src/heartbeat.js'
import { VirtualClock } from '../support/virtual-clock.js'

const INTERVAL = 5_000

/** A heartbeat whose other side answers, or leaves its answers waiting, or is silent. */
function beating(): {
  clock: VirtualClock
  beat: Heartbeat
  side: { answers: 'at once' | 'when drained' | 'never' }
  hung: () => number
} {
  const clock = new VirtualClock()
  const side: { answers: 'at once' | 'when drained' | 'never' } = { answers: 'at once' }
  let hung = 0
  let waiting = false
  const beat = new Heartbeat(clock, new Alarm(clock), INTERVAL, {
    ask: () => {
      if (side.answers === 'at once') queueMicrotask(() => beat.heard())
      waiting = side.answers === 'when drained'
    },
    drain: () => {
      if (waiting) beat.heard()
      waiting = false
    },
    silent: () => (hung += 1),
  })
  beat.start()
  beat.heard()
  return { clock, beat, side, hung: () => hung }
}

describe('the heartbeat', () => {
  it('lets a thread that answers live', async () => {
    const { clock, hung } = beating()
    await clock.advance(100 * INTERVAL)
    expect(hung()).toBe(0)
  })

  it('takes one for hung that is silent for three beats, and asks no more', async () => {
    const { clock, side, hung } = beating()
    await clock.advance(10 * INTERVAL)
    side.answers = 'never'
    await clock.advance(3 * INTERVAL - 1)
    expect(hung()).toBe(0)
    await clock.advance(INTERVAL + 1)
    expect(hung()).toBe(1)
    await clock.advance(10 * INTERVAL)
    expect(hung()).toBe(1)
  })

  it('drains before it judges: an answer may be waiting', async () => {
    const { clock, side, hung } = beating()
    side.answers = 'when drained'
    await clock.advance(20 * INTERVAL)
    expect(hung()).toBe(0)
  })

  it('does not judge a beat that was late itself', async () => {
    const { clock, side, hung } = beating()
    side.answers = 'never'
    for (let i = 0; i < 10; i++) {
      clock.block(INTERVAL + INTERVAL / 2)
      await clock.advance(0)
    }
    expect(hung()).toBe(0)
    await clock.advance(4 * INTERVAL)
    expect(hung()).toBe(1)
  })

  it('gives a thread time to load before its first word', async () => {
    const clock = new VirtualClock()
    let hung = 0
    const beat = new Heartbeat(clock, new Alarm(clock), INTERVAL, {
      ask: () => undefined,
      drain: () => undefined,
      silent: () => (hung += 1),
    })
    beat.start()
    await clock.advance(29_999)
    expect(hung).toBe(0)
    await clock.advance(1)
    expect(hung).toBe(1)
  })
})
