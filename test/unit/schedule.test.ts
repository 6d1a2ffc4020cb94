import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { later } from '../../src/clock.js'
import * as schedule from '../../workers/schedule.js'
import { CLASSIC, STABLE } from '../support/scripted-issuer.js'
import { VirtualClock } from '../support/virtual-clock.js'

const share = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const NOON_IN_CHINA = Date.UTC(2026, 0, 15, 4)
const MIDNIGHT_IN_CHINA = Date.UTC(2026, 0, 15, 16)

describe('the planned refresh', () => {
  it('lies in the margin: the smaller of refreshAhead and half the life, less at most a tenth', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e9 }),
        fc.integer({ min: 1, max: 1e7 }),
        share,
        (life, ahead, dice) => {
          const expires = later({ wall: 1e12, mono: 5e3 }, life)
          const at = schedule.refreshAt(expires, life, ahead, () => dice)
          const margin = Math.min(ahead, life / 2)
          expect(expires.wall - at.wall).toBeLessThanOrEqual(margin + 1e-3)
          expect(expires.wall - at.wall).toBeGreaterThanOrEqual(margin * 0.9 - 1e-3)
          expect(expires.mono - at.mono).toBeCloseTo(expires.wall - at.wall, 2)
        },
      ),
    )
  })
})

describe('a lease', () => {
  it('ends before the margin does, and the call within before that', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 1, max: 1e6 }), (timeout, margin) => {
        const { lease, call } = schedule.leaseFor(timeout, margin)
        expect(lease).toBeLessThanOrEqual(1.25 * timeout)
        expect(lease).toBeLessThanOrEqual(0.75 * margin)
        expect(call).toBeLessThanOrEqual(0.8 * lease)
      }),
    )
    expect(schedule.leaseFor(10_000, 200_000)).toEqual({ lease: 12_500, call: 10_000 })
    expect(schedule.leaseFor(10_000, 5_000)).toEqual({ lease: 3_750, call: 3_000 })
  })
})

describe('backoff', () => {
  it('never falls under the floor, never exceeds maxDelay, and uses what it drew', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2_000 }),
        fc.integer({ min: 1, max: 5_000 }),
        fc.integer({ min: 0, max: 1e6 }),
        share,
        (failures, minDelay, extra, dice) => {
          const retry = { minDelay, maxDelay: minDelay + extra }
          const delay = schedule.backoff(failures, retry, () => dice)
          expect(delay).toBeGreaterThanOrEqual(retry.minDelay)
          expect(delay).toBeLessThanOrEqual(retry.maxDelay)
        },
      ),
    )
    expect(schedule.backoff(4, { minDelay: 1_000, maxDelay: 60_000 }, () => 0.5)).toBe(8_000)
    expect(schedule.backoff(4, { minDelay: 1_000, maxDelay: 60_000 }, () => 0)).toBe(1_000)
  })
})

describe('the day', () => {
  it('turns at midnight, UTC+8', () => {
    expect(schedule.dayTurnsAt(NOON_IN_CHINA, CLASSIC)).toBe(MIDNIGHT_IN_CHINA)
    expect(schedule.dayTurnsAt(MIDNIGHT_IN_CHINA - 1, CLASSIC)).toBe(MIDNIGHT_IN_CHINA)
    expect(schedule.dayTurnsAt(MIDNIGHT_IN_CHINA, CLASSIC)).toBe(MIDNIGHT_IN_CHINA + 86_400_000)
  })

  it('counts anew when it has turned, not when the clock goes back', () => {
    const clock = new VirtualClock(MIDNIGHT_IN_CHINA - 1_000)
    let spent = schedule.spend(schedule.NOTHING_SPENT, true, clock, STABLE)
    spent = schedule.spend(spent, false, clock, STABLE)
    expect(spent).toMatchObject({ calls: 2, forced: 1 })
    clock.step(-86_400_000)
    spent = schedule.spend(spent, false, clock, STABLE)
    expect(spent).toMatchObject({ calls: 3, forced: 1 })
    clock.step(86_400_000 + 1_000)
    expect(schedule.spend(spent, false, clock, STABLE)).toMatchObject({ calls: 1, forced: 0 })
  })

  it('is waited for a minute at a time where it has just turned: the issuer’s clock may be behind', () => {
    const clock = new VirtualClock(MIDNIGHT_IN_CHINA + 5_000)
    expect(schedule.nextDay(clock, CLASSIC).wall).toBe(MIDNIGHT_IN_CHINA + 65_000)
    clock.step(3_600_000)
    expect(schedule.nextDay(clock, CLASSIC).wall).toBe(MIDNIGHT_IN_CHINA + 86_400_000)
  })
})

describe('limits', () => {
  const clock = new VirtualClock(NOON_IN_CHINA)
  const spent = {
    dayEnds: MIDNIGHT_IN_CHINA,
    calls: 0,
    forced: 0,
    lastCall: undefined,
    lastForced: undefined,
  }

  it('keep the last tenth of the day for the schedule', () => {
    const at = (calls: number, asker: schedule.Asker): number | undefined =>
      schedule.budgetOpensAt({ ...spent, calls }, asker, clock, CLASSIC)?.wall
    expect(at(1_799, 'caller')).toBeUndefined()
    expect(at(1_800, 'caller')).toBe(MIDNIGHT_IN_CHINA)
    expect(at(1_999, 'schedule')).toBeUndefined()
    expect(at(2_000, 'schedule')).toBe(MIDNIGHT_IN_CHINA)
    const nears = (before: number, after: number): boolean =>
      schedule.nearsLimits({ ...spent, calls: before }, { ...spent, calls: after }, CLASSIC).includes('calls')
    expect([nears(1_798, 1_799), nears(1_799, 1_800), nears(1_800, 1_801)]).toEqual([false, true, false])
    // Other nodes spend too: the count may step over the limit.
    expect(nears(1_790, 1_805)).toBe(true)
  })

  it('space forced calls and count them by the day', () => {
    const lastForced = { wall: clock.now() - 10_000, mono: clock.monotonic() - 10_000 }
    expect(schedule.forceOpensAt({ ...spent, lastForced }, 1, clock, STABLE)?.wall).toBe(clock.now() + 21_000)
    expect(schedule.forceOpensAt({ ...spent, forced: 19 }, 1, clock, STABLE)).toBeUndefined()
    expect(schedule.forceOpensAt({ ...spent, forced: 19 }, 2, clock, STABLE)?.wall).toBe(MIDNIGHT_IN_CHINA)
    expect(schedule.forceOpensAt({ ...spent, forced: 99, lastForced }, 1, clock, CLASSIC)).toBeUndefined()
  })
})
