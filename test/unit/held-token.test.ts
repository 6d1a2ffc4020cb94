import { beforeEach, describe, expect, it } from 'vitest'
import { Alarm } from '../../src/alarm.js'
import { instantNow, later } from '../../src/clock.js'
import { HeldToken } from '../../src/held-token.js'
import type { AccountState } from '../../src/protocol.js'
import { freshState } from '../../workers/account-state.js'
import { VirtualClock } from '../support/virtual-clock.js'

const LIFE = 7_200_000
const MARGIN = 200_000

let clock: VirtualClock
let held: HeldToken
let posted: AccountState[]
let heard: string[]
let drains: number
let onDrain: () => void

beforeEach(() => {
  clock = new VirtualClock()
  posted = []
  heard = []
  drains = 0
  onDrain = () => undefined
  held = new HeldToken(clock, new Alarm(clock), {
    drain: () => {
      drains += 1
      onDrain()
      for (const state of posted.splice(0)) held.take(state)
    },
    // It may be said again.
    live: ({ accessToken }) => heard.at(-1) === accessToken || heard.push(accessToken),
    expired: () => heard.push('expired'),
    missing: () => heard.push('missing'),
  })
})

function state(accessToken: string, generation: number, life = LIFE, margin = MARGIN): AccountState {
  const expires = later(instantNow(clock), life)
  return {
    ...freshState(clock),
    token: { accessToken, generation, issuedAt: clock.now(), expiresAt: expires.wall },
    expires,
    due: later(expires, -margin),
  }
}

describe('a read', () => {
  it('looks for news when 10 ms have passed, not before', () => {
    held.take(state('first', 1))
    held.read()
    drains = 0
    clock.block(9)
    posted.push(state('second', 2))
    expect(held.read()?.accessToken).toBe('first')
    clock.block(1)
    expect(held.read()?.accessToken).toBe('second')
    expect(drains).toBe(1)
  })

  it('looks each time inside the margin', () => {
    held.take(state('first', 1))
    clock.block(LIFE - MARGIN)
    held.read()
    posted.push(state('second', 2))
    expect(held.read()?.accessToken).toBe('second')
  })

  it('never gives a token in the very ms in which it expires', () => {
    held.take(state('short', 1, 25, 0))
    for (let i = 0; i < 24; i++) {
      expect(held.read()?.accessToken).toBe('short')
      clock.block(1)
    }
    clock.step(1)
    expect(held.read()).toBeUndefined()
  })

  it('asks the monotonic clock as soon as the wall clock went back', () => {
    held.take(state('first', 1))
    held.read()
    clock.step(-3 * LIFE)
    clock.block(LIFE)
    expect(held.read()).toBeUndefined()
  })

  it('asks the monotonic clock at each look though the wall clock creeps', () => {
    held.take(state('first', 1))
    for (let passed = 0; passed < LIFE; passed += 60_000) {
      expect(held.read()?.accessToken).toBe('first')
      clock.block(60_000)
      clock.step(-59_000)
    }
    expect(held.read()).toBeUndefined()
  })

  it('without a live token looks each time, and says so', () => {
    expect(held.read()).toBeUndefined()
    posted.push(state('first', 1))
    expect(held.read()?.accessToken).toBe('first')
    expect(heard).toEqual(['missing', 'first'])
  })
})

describe('a token', () => {
  it('is replaced by a higher generation only, whatever its expiry', () => {
    held.take(state('newer', 5, 1_000))
    held.take(state('older, but for longer', 4))
    expect(held.read()?.accessToken).toBe('newer')
    held.take(state('newest', 6, 500))
    expect(held.read()?.accessToken).toBe('newest')
    expect(heard).toEqual(['newer', 'newest'])
  })

  it('seen again has its expiry corrected, and is no news', () => {
    held.take(state('same', 1))
    const first = held.read()
    clock.block(1_000)
    held.take(state('same', 1, 60_000))
    expect(held.read()).not.toBe(first)
    expect(held.read()?.expiresAt).toBe(clock.now() + 60_000)
    expect(heard).toEqual(['same'])
  })

  it('may end again after its expiry was corrected', () => {
    held.take(state('same', 1))
    clock.step(LIFE)
    expect(held.read()).toBeUndefined()
    held.take(state('same', 1))
    expect(held.read()?.accessToken).toBe('same')
    clock.block(LIFE)
    expect(held.read()).toBeUndefined()
    expect(heard.filter((what) => what === 'expired')).toHaveLength(2)
  })

  it('that came back by the clock ends by the alarm again', async () => {
    held.take(state('first', 1))
    clock.step(LIFE)
    await clock.advance(30_000)
    expect(heard).toEqual(['first', 'expired'])
    clock.step(-LIFE)
    expect(held.read()?.accessToken).toBe('first')
    await clock.advance(LIFE)
    expect(heard.filter((what) => what === 'expired')).toHaveLength(2)
  })

  it('has not ended where the next one is waiting behind a blocked event loop', async () => {
    held.take(state('first', 1, 50_000))
    clock.block(60_000)
    posted.push(state('second', 2))
    await clock.advance(0)
    expect(heard).toEqual(['first', 'second'])
  })

  it('ends once, by the alarm or by a read', async () => {
    held.take(state('first', 1, 50_000))
    await clock.advance(50_000)
    expect(heard).toEqual(['first', 'expired'])
    held.read()
    held.read()
    expect(heard.filter((what) => what === 'expired')).toHaveLength(1)
    held.take(state('second', 2, 50_000))
    clock.step(50_000)
    held.read()
    await clock.advance(60_000)
    expect(heard.filter((what) => what === 'expired')).toHaveLength(2)
  })
})

it('is over at once where a read itself takes in the end', () => {
  posted.push(state('a', 1))
  expect(held.read()?.accessToken).toBe('a')
  onDrain = () => held.close()
  clock.block(10)
  expect([held.read(), held.read()]).toEqual([undefined, undefined])
})
