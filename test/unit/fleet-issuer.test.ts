import { describe, expect, it } from 'vitest'
import { failureOf, outcomeOf } from '../support/outcome.js'
import { limitReached, operatorError, transient } from '../support/scripted-issuer.js'
import { settle } from '../support/virtual-clock.js'
import { held, said, VirtualFleet } from '../support/virtual-fleet.js'
import { VirtualWechat } from '../support/virtual-wechat.js'

/** What an issuer answers, what others do with it, and what a fleet makes of that. */

const SECOND = 1_000
const MINUTE = 60_000
const HOUR = 3_600_000
const NEVER = new Promise<never>(() => undefined)

describe('an issuer', () => {
  it('that fails when a fleet starts is asked no more often than by one process', async () => {
    const asked = async (count: number): Promise<number> => {
      const fleet = new VirtualFleet('classic')
      fleet.issuer.otherwise = transient('ERR_BAD_ANSWER')
      for (let i = 0; i < count; i++) fleet.node({}, 0.9)
      await fleet.clock.advance(HOUR)
      return fleet.issuer.calls.length
    }
    expect(await asked(8)).toBeLessThanOrEqual((await asked(1)) * 1.5)
  })

  it('that has not renewed the token yet is asked by the fleet as by one process', async () => {
    const asked = async (count: number): Promise<number> => {
      const fleet = new VirtualFleet('stable')
      const [first] = await fleet.nodes(count)
      const ends = first.tokens.status().expiresAt ?? 0
      fleet.issuer.otherwise = () => {
        const left = ends - fleet.clock.now()
        return left > 20_000 ? fleet.issuer.same('token-1', left) : fleet.issuer.same('token-2', 2 * HOUR)
      }
      await fleet.clock.advance(2 * HOUR + 10 * SECOND)
      return fleet.issuer.calls.length
    }
    expect(await asked(8)).toBeLessThanOrEqual((await asked(1)) + 2)
  })

  for (const ask of ['reject', 'refresh'] as const)
    for (const how of [transient('ERR_BAD_ANSWER'), { ...transient('ERR_TIMEOUT'), sent: true }])
      it(`that fails for an hour after a ${ask} (${how.failure.code}) leaves the schedule its reserve`, async () => {
        const fleet = new VirtualFleet('classic', { perDay: 20, dayOffset: 480, force: undefined })
        const nodes = await fleet.nodes(1)
        fleet.issuer.otherwise = how
        outcomeOf(ask === 'reject' ? nodes[0].tokens.reject('token-1') : nodes[0].tokens.refresh())
        await fleet.clock.advance(HOUR)
        expect(fleet.issuer.calls.length).toBeLessThanOrEqual(18)
      })

  it('that took a refresh and gave no answer has perhaps made the token void: whoever is there heals it', async () => {
    const fleet = new VirtualFleet('classic')
    const wechat = new VirtualWechat(fleet.clock, 'classic')
    fleet.issuer.otherwise = (forced) => wechat.ask(forced)
    const [first, second] = await fleet.nodes(2)
    await fleet.clock.advance(HOUR)
    fleet.issuer.script.push((forced) => {
      wechat.ask(forced)
      return transient('ERR_BAD_ANSWER')
    })
    expect((await failureOf(() => first.tokens.refresh())).code).toBe('ERR_BAD_ANSWER')
    await first.tokens.close()
    await fleet.clock.advance(MINUTE)
    expect(wechat.takes(second?.tokens.get() ?? '')).toBe(true)
    await fleet.clock.advance(10 * MINUTE)
    expect(wechat.takes(second?.tokens.get() ?? '')).toBe(true)
    expect(fleet.issuer.calls).toHaveLength(3)
  })

  it('that refused a refresh by an errcode has made no token: none is suspected', async () => {
    const fleet = new VirtualFleet('classic')
    const [first] = await fleet.nodes(2)
    await fleet.clock.advance(HOUR)
    fleet.issuer.script.push(operatorError())
    expect((await failureOf(() => first.tokens.refresh())).code).toBe('ERR_ISSUER_REFUSED')
    await fleet.clock.advance(10 * MINUTE)
    expect(fleet.issuer.calls).toHaveLength(2)
  })

  it('whose day is spent is asked again by all, not at one moment', async () => {
    const fleet = new VirtualFleet('classic', { perDay: 4, dayOffset: 480, force: undefined })
    const nodes = await fleet.nodes(10)
    fleet.issuer.otherwise = limitReached('day')
    await fleet.clock.advance(2 * HOUR)
    const due = nodes.map(({ tokens }) => tokens.status().nextRefreshAt ?? 0)
    expect(Math.min(...due)).toBeGreaterThanOrEqual(Date.UTC(2026, 0, 15, 16))
    expect(new Set(due).size).toBeGreaterThan(5)
  })

  it('is not asked for a refresh that failed because the store was down, when that is back', async () => {
    const fleet = new VirtualFleet('classic')
    const nodes = await fleet.nodes(1)
    await fleet.clock.advance(10 * MINUTE)
    fleet.store.isDown = true
    outcomeOf(nodes[0].tokens.refresh())
    await fleet.clock.advance(5 * SECOND)
    fleet.store.comeBack()
    await fleet.clock.advance(2 * MINUTE)
    expect(fleet.issuer.calls).toHaveLength(1)
  })

  it('that fails after the store was away is asked again as soon as ever', async () => {
    const fleet = new VirtualFleet('classic')
    await fleet.nodes(1)
    fleet.store.isDown = true
    await fleet.clock.advance(3 * HOUR)
    fleet.issuer.otherwise = transient('ERR_BAD_ANSWER')
    fleet.store.comeBack()
    await fleet.clock.advance(MINUTE)
    const [, first, second] = fleet.issuer.calls
    expect((second?.mono ?? Infinity) - (first?.mono ?? 0)).toBeLessThanOrEqual(5 * SECOND)
  })

  it('whose token keeps coming though it was refused is asked few times, though the store missed the suspicion', async () => {
    const fleet = new VirtualFleet('stable', {
      perDay: 500_000,
      dayOffset: 480,
      force: { perDay: 1, spacing: 31_000 },
    })
    let fails = true
    fleet.store.spoiled = (store) => ({
      markSuspect: (key, generation) => {
        if (fails) throw new Error('for a moment')
        return store.markSuspect(key, generation)
      },
    })
    fleet.store.pollEvery = SECOND
    const nodes = await fleet.nodes(3)
    const ends = nodes[0].tokens.status().expiresAt ?? 0
    fleet.issuer.otherwise = () => fleet.issuer.same('token-1', ends - fleet.clock.now())
    await fleet.clock.advance(10 * MINUTE)
    outcomeOf(nodes[0].tokens.reject('token-1'))
    await fleet.clock.advance(SECOND)
    fails = false
    await fleet.clock.advance(10 * MINUTE)
    expect(fleet.issuer.calls.length).toBeLessThanOrEqual(4)
  })
})

describe('a refresh that nobody waits for any more', () => {
  it('is not made again where its call was late', async () => {
    const fleet = new VirtualFleet('stable')
    const [first, second] = await fleet.nodes(2)
    await fleet.clock.advance(HOUR)
    let answer = (): void => undefined
    fleet.issuer.script.push(() => new Promise((resolve) => (answer = () => resolve(fleet.issuer.grant()))))
    const caller = new AbortController()
    const refreshed = outcomeOf(first.tokens.refresh({ signal: caller.signal }))
    // Its lease ends, another forced call would be allowed, and another node replaces the token.
    await fleet.clock.advance(40 * SECOND)
    outcomeOf(second?.tokens.reject('token-1') ?? NEVER)
    await fleet.clock.advance(SECOND)
    caller.abort()
    await settle()
    answer()
    await fleet.clock.advance(2 * MINUTE)
    expect(refreshed.settled).toBe(true)
    expect(fleet.issuer.calls.map(({ forced }) => forced)).toEqual([false, true, false])
  })
})

describe('no alarm of another program', () => {
  it('where nodes that refresh alone make each other’s tokens void', async () => {
    const fleet = new VirtualFleet('classic')
    const wechat = new VirtualWechat(fleet.clock, 'classic')
    fleet.issuer.otherwise = (forced) => wechat.ask(forced)
    const nodes = await fleet.nodes(3, { onStoreDown: 'refreshAlone' })
    await fleet.clock.advance(HOUR)
    fleet.store.isDown = true
    await nodes[0].tokens.refresh()
    await fleet.clock.advance(6 * MINUTE)
    for (const { tokens } of nodes.slice(1)) {
      outcomeOf(tokens.reject('token-1'))
      await fleet.clock.advance(SECOND)
    }
    expect(held(nodes)).toEqual(['token-2', 'token-3', 'token-4'])
    expect([said(nodes, 'another program'), nodes.map(({ tokens }) => tokens.status().outsiders)]).toEqual([
      [],
      [0, 0, 0],
    ])
  })

  it('where a node has refreshed alone, and the store is back before it has told', async () => {
    const fleet = new VirtualFleet('stable')
    const wechat = new VirtualWechat(fleet.clock, 'stable')
    fleet.issuer.otherwise = (forced) => wechat.ask(forced)
    const nodes = await fleet.nodes(12)
    await fleet.clock.advance(2 * HOUR - 5 * MINUTE)
    fleet.store.isDown = true
    while (!held(nodes).includes('token-2')) await fleet.clock.advance(SECOND)
    await fleet.clock.advance(12 * SECOND)
    fleet.store.comeBack()
    await fleet.clock.advance(5 * MINUTE)
    expect([new Set(held(nodes)), said(nodes, 'another program')]).toEqual([new Set(['token-2']), []])
  })

  it('where the store is down and each node refreshes alone', async () => {
    const fleet = new VirtualFleet('stable')
    const wechat = new VirtualWechat(fleet.clock, 'stable')
    fleet.issuer.otherwise = (forced) => wechat.ask(forced)
    const nodes = await fleet.nodes(4)
    fleet.store.isDown = true
    await fleet.clock.advance(2 * HOUR - MINUTE)
    expect([held(nodes), said(nodes, 'another program')]).toEqual([Array(4).fill('token-2'), []])
  })
})

describe('nearing the day’s limit', () => {
  it('is said once, though the store’s clock is an hour off and its answers take their time', async () => {
    const fleet = new VirtualFleet('classic', { perDay: 20, dayOffset: 480, force: undefined })
    fleet.store.skew = HOUR
    const nodes = await fleet.nodes(1)
    for (let i = 0; i < 30; i++) {
      fleet.store.latency = 10 + ((i * 7) % 13)
      await fleet.clock.advance(2 * SECOND)
      outcomeOf(nodes[0].tokens.refresh())
      await fleet.clock.advance(SECOND)
    }
    for (let i = 0; i < 4; i++) await fleet.clock.advance(1.96 * HOUR)
    expect(said(nodes, 'nearly spent')).toHaveLength(1)
  })

  it('is said where it comes of calls that were made without the store', async () => {
    const fleet = new VirtualFleet('classic', { perDay: 10, dayOffset: 480, force: undefined })
    const nodes = await fleet.nodes(4, { onStoreDown: 'refreshAlone' })
    fleet.store.isDown = true
    for (let i = 0; i < 2; i++) {
      await fleet.clock.advance(5 * SECOND)
      for (const { tokens } of nodes) outcomeOf(tokens.refresh())
      await fleet.clock.advance(SECOND)
    }
    fleet.store.comeBack()
    await fleet.clock.advance(20 * MINUTE)
    expect(said(nodes, 'nearly spent')).toHaveLength(1)
  })
})
