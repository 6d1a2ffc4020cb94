import { describe, expect, it } from 'vitest'
import type { Store } from '../../src/store.js'
import { outcomeOf } from '../support/outcome.js'
import { transient } from '../support/scripted-issuer.js'
import { constructed, started } from '../support/start.js'
import { settle } from '../support/virtual-clock.js'
import { held, said, VirtualFleet } from '../support/virtual-fleet.js'
import { VirtualSystem } from '../support/virtual-system.js'

/** What goes wrong with clocks, stores and issuers, and what a fleet makes of it. */

const SECOND = 1_000
const MINUTE = 60_000
const HOUR = 3_600_000
const NEVER = new Promise<never>(() => undefined)

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
