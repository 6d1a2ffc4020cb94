import { describe, expect, it } from 'vitest'
import type { Store } from '../../src/store.js'
import { failureOf, outcomeOf } from '../support/outcome.js'
import { limitReached, operatorError, transient } from '../support/scripted-issuer.js'
import { constructed, started } from '../support/start.js'
import { settle } from '../support/virtual-clock.js'
import { type Node, VirtualFleet } from '../support/virtual-fleet.js'
import { VirtualSystem } from '../support/virtual-system.js'
import { VirtualWechat } from '../support/virtual-wechat.js'

/** What goes wrong with clocks, stores and issuers, and what a fleet makes of it. */

const SECOND = 1_000
const MINUTE = 60_000
const HOUR = 3_600_000
const NEVER = new Promise<never>(() => undefined)

const held = (nodes: readonly Node[]): (string | undefined)[] =>
  nodes.map(({ tokens }) => tokens.current?.accessToken)

const said = (nodes: readonly Node[], what: string): string[] =>
  nodes.flatMap(({ logger }) =>
    logger.lines.map(({ message }) => message).filter((text) => text.includes(what)),
  )

function spoiled(endpoint: 'stable' | 'classic', how: (store: Store) => Partial<Store>): VirtualFleet {
  const fleet = new VirtualFleet(endpoint)
  fleet.store.spoiled = how
  return fleet
}

describe('a clock that is stepped back', () => {
  it('in a process without a shared store holds up neither its refresh nor a rejection', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(5 * MINUTE)
    system.clock.step(-8 * HOUR)
    const healed = outcomeOf(tokens.reject('token-1'))
    await system.clock.advance(SECOND)
    expect(healed.value?.accessToken).toBe('token-2')
    await system.clock.advance(2 * HOUR)
    expect(tokens.current?.accessToken).toBe('token-3')
  })

  it('of the store holds up no refresh, and gives no token a longer life than it has', async () => {
    const fleet = new VirtualFleet('classic')
    const nodes = await fleet.nodes(3)
    fleet.store.skew = -8 * HOUR
    await fleet.clock.advance(HOUR)
    const late = fleet.node()
    await settle()
    expect((late.tokens.status().expiresAt ?? Infinity) - fleet.clock.now()).toBeLessThanOrEqual(2 * HOUR)
    await fleet.clock.advance(HOUR + MINUTE)
    expect(held([...nodes, late])).toEqual(Array(4).fill('token-2'))
  })

  it('of the store makes no short wait a long one', async () => {
    const fleet = new VirtualFleet('classic')
    const nodes = await fleet.nodes(2)
    await fleet.clock.advance(2 * HOUR - 210 * SECOND)
    fleet.issuer.otherwise = transient('ERR_BAD_ANSWER')
    for (let i = 0; i < 60 && fleet.issuer.calls.length < 2; i++) await fleet.clock.advance(SECOND)
    fleet.issuer.otherwise = () => fleet.issuer.grant()
    fleet.store.skew = -HOUR
    await fleet.clock.advance(5 * MINUTE)
    expect(held(nodes)).toEqual(['token-2', 'token-2'])
  })
})

describe('how long a call may take', () => {
  it('is its timeout where no store is shared, whatever the margin is', async () => {
    const system = new VirtualSystem()
    constructed(system, { refreshAhead: 1_000, timeout: 10_000 })
    await system.clock.advance(2 * HOUR)
    expect(system.issuer.calls.map(({ timeout }) => timeout)).toEqual([10_000, 10_000])
  })

  it('is less than the margin of a short life, and its timeout again when that token has ended', async () => {
    const fleet = new VirtualFleet('stable')
    fleet.issuer.script.push(() => fleet.issuer.same('short', 10_000))
    fleet.issuer.otherwise = transient('ERR_TIMEOUT')
    fleet.node()
    await fleet.clock.advance(9 * SECOND)
    expect(fleet.issuer.calls.map(({ timeout }) => timeout).slice(0, 2)).toEqual([10_000, 3_000])
    await fleet.clock.advance(2 * MINUTE)
    expect(fleet.issuer.calls.at(-1)?.timeout).toBe(10_000)
  })

  it('leaves a token of 10 s no gap, though the store never answers', async () => {
    let hangs = false
    const hanging = (): Promise<never> | undefined => (hangs ? NEVER : undefined)
    const fleet = spoiled('stable', (store) => ({
      load: (key) => hanging() ?? store.load(key),
      acquire: (key, wanted) => hanging() ?? store.acquire(key, wanted),
      publish: (key, epoch, token) => hanging() ?? store.publish(key, epoch, token),
    }))
    fleet.issuer.otherwise = () => fleet.issuer.grant(10_000)
    const nodes = await fleet.nodes(1)
    hangs = true
    for (let i = 0; i < 300; i++) {
      await fleet.clock.advance(200)
      expect(held(nodes)).not.toEqual([undefined])
    }
  })
})

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

describe('a store that does not keep the contract', () => {
  const nonsense: readonly [string, (store: Store) => Partial<Store>][] = [
    ['answers nothing', () => ({ load: () => Promise.resolve(JSON.parse('{}')) })],
    [
      'answers without a clock',
      (store) => ({ load: async (key) => ({ ...(await store.load(key)), now: NaN }) }),
    ],
    [
      'does not say how long another’s lease lasts',
      (store) => ({
        acquire: async (key) => ({ granted: false, stored: await store.load(key), heldFor: NaN }),
      }),
    ],
    [
      'gives a wait without its end',
      (store) => ({ load: async (key) => ({ ...(await store.load(key)), retry: { at: NaN, failures: 1 } }) }),
    ],
    [
      'gives a moment that is none',
      (store) => ({ load: async (key) => ({ ...(await store.load(key)), suspectSince: NaN }) }),
    ],
    ['throws what is no error', () => ({ load: () => Promise.reject(Object.create(null)) })],
    [
      'throws at once',
      () => ({
        load: () => {
          throw new Error('at once')
        },
      }),
    ],
  ]
  it.each(nonsense)('and %s is one that is down, and ends no thread', async (_what, how) => {
    const fleet = spoiled('stable', how)
    const node = fleet.node()
    await fleet.clock.advance(10 * SECOND)
    expect([held([node]), node.tokens.status().store, node.tokens.status().restarts]).toEqual([
      ['token-1'],
      'down',
      0,
    ])
  })

  it('and can’t be watched at first is tried again', async () => {
    let times = 0
    const fleet = spoiled('classic', (store) => ({
      watch: (onNotice) => {
        times += 1
        if (times === 1) throw new Error('not yet')
        return store.watch(onNotice)
      },
    }))
    const node = fleet.node()
    await fleet.clock.advance(MINUTE)
    expect([held([node]), node.tokens.status().store]).toEqual([['token-1'], 'up'])
  })

  const calls: Record<string, number> = {}
  const count = (what: string): void => {
    calls[what] = (calls[what] ?? 0) + 1
    if (calls[what] > 100) throw new Error('asked without a pause')
  }
  const eager: readonly [string, (store: Store) => Partial<Store>][] = [
    [
      'refuses each count',
      () => ({
        spend: () => {
          count('refuses each count')
          return false
        },
      }),
    ],
    [
      'says that the lease is another’s for 0 ms',
      (store) => ({
        acquire: async (key) => {
          count('says that the lease is another’s for 0 ms')
          return { granted: false, stored: await store.load(key), heldFor: 0 }
        },
      }),
    ],
    [
      'wants to be read each 0 ms',
      (store) => ({
        pollEvery: 0,
        load: (key) => {
          count('wants to be read each 0 ms')
          return store.load(key)
        },
      }),
    ],
  ]
  it.each(eager)('and %s is not asked without a pause', async (what, how) => {
    const fleet = spoiled('classic', how)
    fleet.node()
    await fleet.clock.advance(10 * SECOND)
    expect(calls[what]).toBeLessThan(40)
  })

  it('and refuses each token is told of, and costs ever fewer fetches', async () => {
    const fleet = spoiled('classic', () => ({ publish: () => false }))
    const node = fleet.node()
    await fleet.clock.advance(10 * MINUTE)
    expect(fleet.issuer.calls.length).toBeLessThan(25)
    expect(said([node], 'the store refused a token')).toHaveLength(1)
  })

  it('and quotes a token in its error is not quoted', async () => {
    const fleet = spoiled('classic', () => ({
      publish: (_key, _epoch, { accessToken }) => {
        throw new Error(`value too long: ${accessToken}`)
      },
    }))
    const nodes = await fleet.nodes(1)
    expect(said(nodes, 'value too long: ***')).toHaveLength(1)
    expect(said(nodes, 'token-1')).toEqual([])
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

describe('close', () => {
  it('while the lease is being taken counts nothing, and lets go of it', async () => {
    const fleet = new VirtualFleet('classic')
    const nodes = await fleet.nodes(2)
    await fleet.clock.advance(HOUR)
    const release = fleet.store.hold('acquire')
    const before = { ...fleet.store.counts }
    outcomeOf(nodes[0].tokens.refresh())
    await settle()
    const closed = outcomeOf(nodes[0].tokens.close())
    await settle()
    release()
    await fleet.clock.advance(SECOND)
    expect(closed.settled).toBe(true)
    const { spend, release: releases } = fleet.store.counts
    expect([spend - before.spend, releases - before.release]).toEqual([0, 1])
  })
})
