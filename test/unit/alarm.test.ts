import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Alarm } from '../../src/alarm.js'
import { instantNow, later } from '../../src/clock.js'
import { VirtualClock } from '../support/virtual-clock.js'

describe('the alarm', () => {
  it('rings each moment once, in order, never early, with one timer', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ ms: fc.integer({ min: 0, max: 100_000 }), cancelled: fc.boolean() }), {
          maxLength: 60,
        }),
        async (waits) => {
          const clock = new VirtualClock()
          const alarm = new Alarm(clock)
          const began = clock.monotonic()
          const rang: number[] = []
          const cancels = waits.map(({ ms }) =>
            alarm.set(later(instantNow(clock), ms), () => {
              expect(clock.monotonic()).toBeGreaterThanOrEqual(began + ms)
              rang.push(ms)
            }),
          )
          for (const [i, { cancelled }] of waits.entries()) if (cancelled) cancels[i]?.()
          expect(clock.timers).toBeLessThanOrEqual(1)
          await clock.advance(100_000)
          const expected = waits.filter(({ cancelled }) => !cancelled).map(({ ms }) => ms)
          expect(rang).toEqual(expected.sort((a, b) => a - b))
          expect(clock.timers).toBe(0)
        },
      ),
      { numRuns: 100 },
    )
  })

  it('rings on time, though it looks in steps', async () => {
    const clock = new VirtualClock()
    const alarm = new Alarm(clock)
    let rangAt = 0
    const at = clock.monotonic() + 7_000_123
    alarm.set(later(instantNow(clock), 7_000_123), () => (rangAt = clock.monotonic()))
    await clock.advance(8_000_000)
    expect(rangAt).toBe(at)
  })

  it('notices within 30 s that the wall clock went ahead, also for moments that the heap holds far down', async () => {
    const clock = new VirtualClock()
    const alarm = new Alarm(clock)
    const rang: string[] = []
    alarm.set(later(instantNow(clock), 900_000), () => rang.push('far'))
    clock.step(-3_600_000)
    alarm.set(later(instantNow(clock), 600_000), () => rang.push('near'))
    // For the first the wall clock has to reach 900 s, which lie an hour and more ahead of the second's.
    clock.step(3_600_000 + 900_000)
    await clock.advance(30_000)
    expect(rang.sort()).toEqual(['far', 'near'])
  })

  it('looks at once when asked to', () => {
    const clock = new VirtualClock()
    const alarm = new Alarm(clock)
    let rang = false
    alarm.set(later(instantNow(clock), 50_000), () => (rang = true))
    clock.step(60_000)
    expect(rang).toBe(false)
    alarm.check()
    expect(rang).toBe(true)
  })
})
