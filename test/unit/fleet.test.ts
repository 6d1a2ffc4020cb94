import { describe, expect, it } from 'vitest'
import { TokenThreadError } from '../../src/errors.js'
import { outcomeOf } from '../support/outcome.js'
import { transient } from '../support/scripted-issuer.js'
import { settle } from '../support/virtual-clock.js'
import { held, type Node, VirtualFleet } from '../support/virtual-fleet.js'
import { VirtualWechat } from '../support/virtual-wechat.js'

const SECOND = 1_000
const MINUTE = 60_000
const HOUR = 3_600_000

describe('a fleet with one store', () => {
  it('makes one fetch a rotation, and all have its token', async () => {
    const fleet = new VirtualFleet()
    const nodes = await fleet.nodes(5)
    expect(held(nodes)).toEqual(Array(5).fill('token-1'))
    for (let rotation = 2; rotation <= 8; rotation++) {
      await fleet.clock.advance(2 * HOUR - 3 * MINUTE)
      expect(held(nodes)).toEqual(Array(5).fill(`token-${rotation}`))
    }
    expect(fleet.issuer.calls).toHaveLength(8)
    expect(fleet.issuer.mostInFlight).toBe(1)
  })

  it('costs each rotation a few store operations of whoever fetches and one of each other node', async () => {
    const fleet = new VirtualFleet()
    const nodes = await fleet.nodes(8)
    const { store } = fleet
    await fleet.clock.advance(2 * HOUR - 5 * MINUTE)
    const before = { ...store.counts }
    const polls = 7 * 2
    while (fleet.issuer.calls.length < 2) await fleet.clock.advance(SECOND)
    await fleet.clock.advance(SECOND)
    expect(held(nodes)).toEqual(Array(8).fill('token-2'))
    const { acquire, spend, publish, release, load } = store.counts
    expect([
      acquire - before.acquire,
      spend - before.spend,
      publish - before.publish,
      release - before.release,
    ]).toEqual([1, 1, 1, 1])
    expect(load - before.load).toBeLessThanOrEqual(8 * 5 + polls)
  })

  it('hears of a newer token by the notice, and by the slow poll where that is lost', async () => {
    const fleet = new VirtualFleet()
    const nodes = await fleet.nodes(3)
    const [first] = nodes
    await fleet.clock.advance(HOUR)
    await first.tokens.refresh()
    await fleet.clock.advance(1)
    expect(held(nodes)).toEqual(Array(3).fill('token-2'))
    fleet.store.isMute = true
    await fleet.clock.advance(HOUR)
    await first.tokens.refresh()
    await fleet.clock.advance(34 * SECOND)
    expect(held(nodes)).toEqual(Array(3).fill('token-3'))
    expect(fleet.issuer.calls).toHaveLength(3)
  })

  it('reads again where a notice came while it was reading', async () => {
    const fleet = new VirtualFleet()
    const nodes = await fleet.nodes(2)
    await fleet.clock.advance(HOUR)
    const release = fleet.store.hold('load')
    fleet.store.comeBack()
    await settle()
    await nodes[1]?.tokens.refresh()
    await fleet.clock.advance(1)
    expect(held(nodes)).toEqual(['token-1', 'token-2'])
    release()
    await fleet.clock.advance(1)
    expect(held(nodes)).toEqual(['token-2', 'token-2'])
  })

  it('a restart costs no fetch, and its first token is there before the issuer is asked', async () => {
    const fleet = new VirtualFleet()
    const [first] = await fleet.nodes(1)
    await first.tokens.close()
    fleet.issuer.otherwise = transient()
    await fleet.clock.advance(HOUR)
    const again = fleet.node()
    await settle()
    expect(again.tokens.get()).toBe('token-1')
    expect(fleet.issuer.calls).toHaveLength(1)
    // Its refresh comes with all the others', before the expiry.
    fleet.issuer.otherwise = () => fleet.issuer.grant()
    await fleet.clock.advance(HOUR - 100 * SECOND)
    expect(again.tokens.get()).toBe('token-2')
  })

  it('inside the margin the stored token serves at once, and one refresh follows', async () => {
    const fleet = new VirtualFleet()
    const [first] = await fleet.nodes(1)
    await first.tokens.close()
    await fleet.clock.advance(2 * HOUR - 60 * SECOND)
    const again = fleet.node()
    await settle()
    expect([again.tokens.current?.accessToken, fleet.issuer.calls.length]).toEqual(['token-2', 2])
  })

  it('shows the fleet’s count of the day, and keeps it across restarts', async () => {
    const fleet = new VirtualFleet()
    const nodes = await fleet.nodes(3)
    for (const { tokens } of nodes) {
      await fleet.clock.advance(HOUR / 4)
      await tokens.refresh()
    }
    await fleet.clock.advance(MINUTE)
    expect(nodes.map(({ tokens }) => tokens.status().fetchesToday)).toEqual([4, 4, 4])
    for (const { tokens } of nodes) await tokens.close()
    const again = fleet.node()
    await settle()
    expect(again.tokens.status().fetchesToday).toBe(4)
  })

  it('keeps a tenth of the day’s fetches for the schedule, whoever asks on whichever node', async () => {
    const fleet = new VirtualFleet('classic', { perDay: 10, dayOffset: 480, force: undefined })
    const nodes = await fleet.nodes(2)
    const outcomes: unknown[] = []
    for (let i = 0; i < 12; i++) {
      await fleet.clock.advance(2 * SECOND)
      const { tokens } = nodes[i % 2] ?? nodes[0]
      const outcome = outcomeOf(tokens.refresh())
      await fleet.clock.advance(1)
      outcomes.push(outcome.error instanceof TokenThreadError ? outcome.error.code : 'refreshed')
    }
    expect(outcomes).toEqual([
      ...Array<string>(8).fill('refreshed'),
      ...Array<string>(4).fill('ERR_FETCH_LIMIT'),
    ])
    expect(fleet.issuer.calls).toHaveLength(9)
    const said = nodes.flatMap(({ logger }) =>
      logger.lines.filter(({ message }) => message.includes('nearly spent')),
    )
    expect(said).toHaveLength(1)
  })
})

describe('the store’s clock', () => {
  it.each([-HOUR, HOUR, 30 * HOUR])('may be %i ms off from the nodes’', async (skew) => {
    const fleet = new VirtualFleet('classic')
    fleet.store.skew = skew
    const nodes = await fleet.nodes(3)
    const expiries = nodes.map(({ tokens }) => tokens.status().expiresAt)
    expect(expiries).toEqual(Array(3).fill(expiries[0]))
    expect((expiries[0] ?? 0) - (nodes[0].tokens.status().issuedAt ?? 0)).toBe(2 * HOUR)
    await fleet.clock.advance(2 * HOUR - 3 * MINUTE)
    expect(held(nodes)).toEqual(Array(3).fill('token-2'))
    expect(fleet.issuer.calls).toHaveLength(2)
  })

  it('says when the day turns', async () => {
    const fleet = new VirtualFleet('classic')
    // It is noon in China; by the store, 11 at night.
    fleet.store.skew = 11 * HOUR
    const nodes = await fleet.nodes(2)
    await nodes[1]?.tokens.refresh()
    await fleet.clock.advance(SECOND)
    expect(nodes.map(({ tokens }) => tokens.status().fetchesToday)).toEqual([2, 2])
    await fleet.clock.advance(HOUR)
    expect(nodes.map(({ tokens }) => tokens.status().fetchesToday)).toEqual([0, 0])
    await nodes[1]?.tokens.refresh()
    await fleet.clock.advance(SECOND)
    expect(nodes.map(({ tokens }) => tokens.status().fetchesToday)).toEqual([1, 1])
  })
})

describe('a rejected token', () => {
  it('of all nodes is one normal call', async () => {
    const fleet = new VirtualFleet()
    const nodes = await fleet.nodes(4)
    await fleet.clock.advance(HOUR)
    const healed = nodes.map(({ tokens }) => outcomeOf(tokens.reject('token-1')))
    await fleet.clock.advance(SECOND)
    expect(healed.map(({ value }) => value?.accessToken)).toEqual(Array(4).fill('token-2'))
    expect(fleet.issuer.calls).toHaveLength(2)
  })

  it('that comes back is one forced call of the fleet', async () => {
    const fleet = new VirtualFleet('stable')
    const nodes = await fleet.nodes(4)
    await fleet.clock.advance(HOUR)
    fleet.issuer.script.push(() => fleet.issuer.same('token-1', HOUR))
    const healed = nodes.map(({ tokens }) => outcomeOf(tokens.reject('token-1')))
    await fleet.clock.advance(20 * SECOND)
    expect(healed.map(({ value }) => value?.accessToken)).toEqual(Array(4).fill('token-2'))
    expect(fleet.issuer.calls.map(({ forced }) => forced)).toEqual([false, false, true])
  })

  it('is no reason to force the next one’s replacement, though it comes before the lease is let go of', async () => {
    const fleet = new VirtualFleet('stable')
    const [{ tokens }] = await fleet.nodes(1)
    await fleet.clock.advance(HOUR)
    fleet.issuer.script.push(() => fleet.issuer.same('token-1', HOUR))
    outcomeOf(tokens.reject('token-1'))
    await settle()
    const release = fleet.store.hold('release')
    await fleet.clock.advance(2 * SECOND)
    expect(tokens.get()).toBe('token-2')
    const replaced = outcomeOf(tokens.reject('token-2'))
    await settle()
    release()
    await fleet.clock.advance(2 * SECOND)
    expect(replaced.value?.accessToken).toBe('token-3')
    expect(fleet.issuer.calls.map(({ forced }) => forced)).toEqual([false, false, true, false])
  })

  it('is replaced by another node where the one that heard of it dies', async () => {
    const fleet = new VirtualFleet()
    const nodes = await fleet.nodes(2)
    const [first, second] = nodes
    await fleet.clock.advance(HOUR)
    fleet.issuer.script.push(() => new Promise(() => undefined))
    outcomeOf(first.tokens.reject('token-1'))
    await settle()
    await first.system.kill()
    first.system.stopAnswering()
    await first.tokens.close()
    await fleet.clock.advance(30 * SECOND)
    expect(second?.tokens.get()).toBe('token-2')
  })
})

describe('a process that was stopped', () => {
  it('before its call is sent sends none: its lease is over', async () => {
    const fleet = new VirtualFleet()
    const nodes = await fleet.nodes(2)
    const [first, second] = nodes
    await fleet.clock.advance(HOUR)
    const release = fleet.store.hold('spend')
    const healed = outcomeOf(first.tokens.reject('token-1'))
    await settle()
    // Stopped here: time passes, none of its timers fires. Another node takes over.
    fleet.clock.block(20 * SECOND)
    fleet.issuer.otherwise = () => fleet.issuer.grant()
    await second?.tokens.reject('token-1')
    release()
    await fleet.clock.advance(20 * SECOND)
    expect(fleet.issuer.calls).toHaveLength(2)
    expect([healed.value?.accessToken, ...held(nodes)]).toEqual(Array(3).fill('token-2'))
  })

  it.each(['classic', 'stable'] as const)(
    'after its answer came publishes nothing; on %s what may be void by its call is replaced if need be',
    async (endpoint) => {
      const fleet = new VirtualFleet(endpoint)
      const nodes = await fleet.nodes(3)
      const [first, second] = nodes
      await fleet.clock.advance(HOUR)
      // Its answer is there, but it does not get to it.
      let late = (): void => undefined
      fleet.issuer.script.push(() => {
        const answer = fleet.issuer.grant()
        return new Promise((resolve) => (late = () => resolve(answer)))
      })
      const healed = outcomeOf(first.tokens.reject('token-1'))
      await settle()
      fleet.clock.block(14 * SECOND)
      // Another node has taken over.
      await second?.tokens.reject('token-1')
      await fleet.clock.advance(1)
      expect(held(nodes).slice(1)).toEqual(['token-3', 'token-3'])
      late()
      await fleet.clock.advance(20 * SECOND)
      expect(healed.value?.accessToken).toBe('token-3')
      const last = endpoint === 'classic' ? 'token-4' : 'token-3'
      expect(held(nodes)).toEqual([last, last, last])
      expect(fleet.issuer.mostInFlight).toBe(2)
    },
  )
})

describe('a call that is late', () => {
  it('makes void what another node is just getting: that is replaced too', async () => {
    const fleet = new VirtualFleet('classic')
    const wechat = new VirtualWechat(fleet.clock, 'classic')
    fleet.issuer.otherwise = () => wechat.ask(false)
    const nodes = await fleet.nodes(3)
    const [first, second] = nodes
    await fleet.clock.advance(HOUR)
    // It reaches the issuer only when it is let go.
    let reach = (): void => undefined
    fleet.issuer.script.push(() => new Promise((resolve) => (reach = () => resolve(wechat.ask(false)))))
    outcomeOf(first.tokens.reject('token-1'))
    await settle()
    fleet.clock.block(14 * SECOND)
    // Another one took over, and has its token in hand, when the late call makes that void.
    let answer = (): void => undefined
    fleet.issuer.script.push(() => {
      const granted = wechat.ask(false)
      return new Promise((resolve) => (answer = () => resolve(granted)))
    })
    if (second) outcomeOf(second.tokens.reject('token-1'))
    await settle()
    reach()
    await settle()
    answer()
    await fleet.clock.advance(30 * SECOND)
    expect(held(nodes)).toEqual(Array(3).fill('token-4'))
    expect(wechat.takes('token-4')).toBe(true)
  })

  it('that is put into the store later and finds a newer token there does so too', async () => {
    const fleet = new VirtualFleet('classic')
    const nodes = await fleet.nodes(2)
    const [first, second] = nodes
    await fleet.clock.advance(HOUR)
    fleet.issuer.script.push(() => {
      const granted = fleet.issuer.grant()
      fleet.store.isDown = true
      return granted
    })
    await first.tokens.refresh()
    expect(first.tokens.get()).toBe('token-2')
    fleet.store.isDown = false
    fleet.clock.block(14 * SECOND)
    await second?.tokens.reject('token-1')
    await fleet.clock.advance(30 * SECOND)
    expect(held(nodes)).toEqual(['token-4', 'token-4'])
  })
})

describe('failures of a fleet', () => {
  it('back off together: a fleet asks an issuer that fails no more often than one process does', async () => {
    const asked = async (count: number): Promise<number> => {
      const fleet = new VirtualFleet('classic')
      const nodes = await fleet.nodes(count)
      fleet.issuer.otherwise = transient('ERR_BAD_ANSWER')
      for (const { system } of nodes) system.random = 0.9
      await fleet.clock.advance(2 * HOUR)
      return fleet.issuer.calls.length
    }
    const alone = await asked(1)
    expect(await asked(8)).toBeLessThanOrEqual(alone * 1.5 + 2)
  })

  it('do not hold up a node that gets through', async () => {
    const fleet = new VirtualFleet('classic')
    const nodes = await fleet.nodes(3)
    const [first] = nodes
    await fleet.clock.advance(HOUR)
    // One node has no way to the issuer; the token it heard being refused is replaced by another one.
    fleet.issuer.script.push({ ...transient(), sent: false })
    outcomeOf(first.tokens.reject('token-1'))
    await fleet.clock.advance(15 * SECOND)
    expect(held(nodes)).toEqual(Array(3).fill('token-2'))
  })
})

describe('somebody outside', () => {
  const warnings = (nodes: readonly Node[]): string[] =>
    nodes.flatMap(({ logger }) =>
      logger.lines.filter(({ message }) => message.includes('another program')).map(({ message }) => message),
    )

  it('is seen by a token refused early, said once with the times, and counted', async () => {
    const fleet = new VirtualFleet('classic')
    const nodes = await fleet.nodes(2)
    const since = new Date(nodes[0].tokens.status().issuedAt ?? 0).toISOString()
    await fleet.clock.advance(48 * MINUTE)
    const left = Math.floor(((nodes[0].tokens.status().expiresAt ?? 0) - fleet.clock.now()) / MINUTE)
    await nodes[0].tokens.reject('token-1')
    await fleet.clock.advance(2 * MINUTE)
    await nodes[0].tokens.reject('token-2')
    expect(warnings(nodes)).toEqual([
      `another program fetches tokens for this AppID: the token was refused 1 h ${left - 60} min before its expiry; ` +
        `no fetch of ours since ${since}. Let it read the token from here, give all processes one store (option ` +
        '`store`), or move it to an AppID or endpoint of its own',
    ])
    expect(nodes[0].tokens.status().outsiders).toBe(2)
  })

  it('is nobody where a node of ours fetched since, or the token was about to end', async () => {
    const fleet = new VirtualFleet('classic')
    const nodes = await fleet.nodes(2)
    await fleet.clock.advance(2 * HOUR - 190 * SECOND)
    if (nodes[1]) outcomeOf(nodes[1].tokens.reject('token-1'))
    await fleet.clock.advance(1)
    await fleet.clock.advance(HOUR)
    // A call that came to nothing, as far as is known here: the issuer may have taken it.
    fleet.issuer.script.push(transient('ERR_TIMEOUT'))
    outcomeOf(nodes[0].tokens.refresh())
    await fleet.clock.advance(1)
    await fleet.clock.advance(10 * SECOND)
    await nodes[1]?.tokens.reject(nodes[1].tokens.get())
    expect(warnings(nodes)).toEqual([])
  })

  it('is seen by a token that came and was older than our call', async () => {
    const fleet = new VirtualFleet('stable')
    const nodes = await fleet.nodes(2)
    fleet.issuer.script.push(() => fleet.issuer.same('of-another-program', 2 * HOUR - 90 * SECOND))
    await fleet.clock.advance(2 * HOUR - 90 * SECOND)
    expect(held(nodes)).toEqual(Array(2).fill('of-another-program'))
    expect(warnings(nodes)).toEqual([expect.stringContaining('is one we never fetched: it was 1 min old')])
  })
})
