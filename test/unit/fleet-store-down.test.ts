import { describe, expect, it } from 'vitest'
import { failureOf, outcomeOf } from '../support/outcome.js'
import { StoreOperatorError } from '../../workers/stores/store-error.js'
import { transient } from '../support/scripted-issuer.js'
import { settle } from '../support/virtual-clock.js'
import { held, VirtualFleet } from '../support/virtual-fleet.js'
import { VirtualWechat } from '../support/virtual-wechat.js'

const SECOND = 1_000
const MINUTE = 60_000
const HOUR = 3_600_000

/** The first of two nodes has a token that the store, still down, was to have. */
async function servedFirst() {
  const fleet = new VirtualFleet('classic')
  const [first, second] = await fleet.nodes(2)
  await fleet.clock.advance(HOUR)
  fleet.issuer.script.push(() => {
    fleet.store.isDown = true
    return fleet.issuer.grant()
  })
  await first.tokens.refresh()
  // Its own lease, that it could not let go of, has ended by then.
  await fleet.clock.advance(15 * SECOND)
  return { fleet, first, second }
}

describe('the store gone', () => {
  it('refreshAlone: each refreshes at its due time, and one token is left when the store is back, also when it is empty', async () => {
    const fleet = new VirtualFleet('stable')
    const nodes = await fleet.nodes(4)
    fleet.issuer.otherwise = () => fleet.issuer.same('token-2', 2 * HOUR)
    fleet.store.isDown = true
    await fleet.clock.advance(2 * HOUR - 90 * SECOND)
    expect(held(nodes)).toEqual(Array(4).fill('token-2'))
    const times = fleet.issuer.calls.slice(1).map(({ at }) => at)
    expect(times).toHaveLength(4)
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(20 * SECOND)
    expect(nodes.map(({ tokens }) => [tokens.status().store, tokens.status().servedFirst])).toEqual(
      Array(4).fill(['down', 1]),
    )
    fleet.store.empty()
    const before = fleet.store.operations
    fleet.store.comeBack()
    await fleet.clock.advance(30 * SECOND)
    expect(new Set(nodes.map(({ tokens }) => tokens.status().generation)).size).toBe(1)
    expect(nodes.map(({ tokens }) => tokens.status().store)).toEqual(Array(4).fill('up'))
    expect(fleet.issuer.calls).toHaveLength(5)
    expect(fleet.store.operations - before).toBeLessThan(40)
    // It is the store's token now, and what was spent without it is counted there.
    const late = fleet.node()
    await settle()
    expect(late.tokens.current?.accessToken).toBe('token-2')
    outcomeOf(late.tokens.refresh())
    await fleet.clock.advance(1)
    expect(late.tokens.status().fetchesToday).toBeGreaterThan(2)
  })

  it('wait: the token serves to its real expiry, then reads fail and say why; the store back, one fetch mends all', async () => {
    const fleet = new VirtualFleet('classic')
    const nodes = await fleet.nodes(3)
    fleet.store.isDown = true
    await fleet.clock.advance(2 * HOUR - 5 * SECOND)
    expect(held(nodes)).toEqual(Array(3).fill('token-1'))
    await fleet.clock.advance(5 * SECOND)
    for (const { tokens } of nodes) {
      const failure = await failureOf(() => tokens.get())
      expect(failure).toMatchObject({ code: 'ERR_TOKEN_UNAVAILABLE', cause: { code: 'ERR_STORE' } })
    }
    expect(fleet.issuer.calls).toHaveLength(1)
    fleet.store.comeBack()
    await fleet.clock.advance(20 * SECOND)
    expect(held(nodes)).toEqual(Array(3).fill('token-2'))
    expect(fleet.issuer.calls).toHaveLength(2)
    const [{ logger }] = nodes
    const said = logger.lines.filter(({ message }) => message.includes('the store'))
    // Once in ten minutes, and when it is over.
    expect(said.map(({ level }) => level)).toEqual([...Array<string>(12).fill('warn'), 'info'])
    expect(said[0]?.message).toContain(
      'the virtual store is down; meanwhile the token serves until it expires',
    )
  })

  it('in the middle of a fetch: its token is served first, and offered when the store is back', async () => {
    const fleet = new VirtualFleet('classic')
    const nodes = await fleet.nodes(2)
    const [first, second] = nodes
    await fleet.clock.advance(HOUR)
    fleet.issuer.script.push(() => {
      fleet.store.isDown = true
      return fleet.issuer.grant()
    })
    await first.tokens.refresh()
    expect([first.tokens.get(), second?.tokens.get()]).toEqual(['token-2', 'token-1'])
    expect(first.tokens.status()).toMatchObject({ servedFirst: 1, store: 'down' })
    fleet.store.comeBack()
    await fleet.clock.advance(30 * SECOND)
    expect(held(nodes)).toEqual(['token-2', 'token-2'])
    expect(fleet.issuer.calls).toHaveLength(2)
  })

  it('back and empty is knocked at by few: who hears that its token is there again has nothing to offer', async () => {
    const fleet = new VirtualFleet('classic')
    await fleet.nodes(20)
    await fleet.clock.advance(HOUR)
    fleet.store.isDown = true
    await fleet.clock.advance(2 * MINUTE)
    fleet.store.empty()
    const before = fleet.store.counts.acquire
    fleet.store.comeBack()
    await fleet.clock.advance(MINUTE)
    expect(fleet.store.counts.acquire - before).toBeLessThanOrEqual(3)
    expect(fleet.store.counts.publish).toBe(2)
  })

  it('older than what the nodes hold, it takes theirs, and counts on from what they know', async () => {
    const fleet = new VirtualFleet('classic')
    const nodes = await fleet.nodes(3)
    await fleet.clock.advance(HOUR)
    await nodes[0].tokens.refresh()
    await fleet.clock.advance(SECOND)
    fleet.store.empty()
    await fleet.clock.advance(MINUTE)
    const late = fleet.node()
    await settle()
    expect(late.tokens.current?.accessToken).toBe('token-2')
    await late.tokens.refresh()
    await fleet.clock.advance(MINUTE)
    expect(nodes.map(({ tokens }) => tokens.status().fetchesToday)).toEqual([3, 3, 3])
  })

  it('at the start: refreshAlone has a token all the same, wait says why there is none', async () => {
    const fleet = new VirtualFleet('stable')
    fleet.store.isDown = true
    const alone = fleet.node()
    const waiting = fleet.node({ onStoreDown: 'wait' })
    await settle()
    expect(alone.tokens.current?.accessToken).toBe('token-1')
    expect(() => waiting.tokens.get()).toThrow('the virtual store is down')
  })

  it('a hanging store is one that is down', async () => {
    const fleet = new VirtualFleet('stable')
    const [first] = await fleet.nodes(1)
    await fleet.clock.advance(HOUR)
    fleet.store.hold('acquire')
    const refreshed = outcomeOf(first.tokens.refresh())
    await fleet.clock.advance(5 * SECOND)
    expect(refreshed.value?.accessToken).toBe('token-2')
  })
})

describe('a lease that comes when nobody waits for it any more', () => {
  it('is let go of at once: other nodes do not wait for its end', async () => {
    const fleet = new VirtualFleet('classic')
    const [first, second] = await fleet.nodes(2)
    await fleet.clock.advance(HOUR)
    const grant = fleet.store.hold('acquire')
    expect(
      (await Promise.all([failureOf(() => first.tokens.refresh()), fleet.clock.advance(6 * SECOND)]))[0].code,
    ).toBe('ERR_STORE')
    grant()
    await settle()
    const refreshed = outcomeOf(second?.tokens.refresh() ?? Promise.reject(new Error('no node')))
    await settle()
    expect(refreshed.value?.accessToken).toBe('token-2')
  })
})

describe('a store that can be read but not written', () => {
  for (const onStoreDown of ['refreshAlone', 'wait'] as const)
    it(`${onStoreDown}: is down until a write works again, and is said once in ten minutes`, async () => {
      const fleet = new VirtualFleet('stable')
      const [{ tokens, logger }] = await fleet.nodes(1, { onStoreDown })
      fleet.store.isReadOnly = true
      // The refresh is due after 2 h - 200 s.
      await fleet.clock.advance(2 * HOUR - 4 * MINUTE)
      const operations = fleet.store.operations
      for (let seconds = 0; seconds < 30 * 60; seconds += 20) {
        await fleet.clock.advance(20 * SECOND)
        if (seconds > MINUTE / SECOND) expect(tokens.status().store).toBe('down')
      }
      const said = (): (string | undefined)[] =>
        logger.lines.filter(({ message }) => message.includes('the store')).map(({ level }) => level)
      expect(said()).toEqual(['warn', 'warn', 'warn'])
      // A slow poll each 30 s, and a try to write each minute at the most, after the first few.
      expect(fleet.store.operations - operations).toBeLessThan(150)
      fleet.store.isReadOnly = false
      await fleet.clock.advance(2 * MINUTE)
      expect(tokens.status()).toMatchObject({ store: 'up', state: 'valid' })
      expect(said()).toEqual(['warn', 'warn', 'warn', 'info'])
    })
})

describe('a token that was served first', () => {
  it('and was offered is like any other: one that follows is not distrusted', async () => {
    const { fleet, second } = await servedFirst()
    fleet.store.comeBack()
    await fleet.clock.advance(12 * SECOND)
    await second?.tokens.refresh()
    await fleet.clock.advance(10 * MINUTE)
    expect(fleet.issuer.calls).toHaveLength(3)
  })

  it('by a process whose clock is ahead of the store’s does not replace a newer one', async () => {
    const fleet = new VirtualFleet('classic')
    const wechat = new VirtualWechat(fleet.clock, 'classic')
    fleet.issuer.otherwise = (forced) => wechat.ask(forced)
    fleet.store.skew = -10 * MINUTE
    let isCut = false
    const lost = (): Promise<never> => Promise.reject(new Error('cut off'))
    let opened = 0
    fleet.store.spoiled = (store) => {
      if (++opened > 1) return {}
      return {
        load: (key) => (isCut ? lost() : store.load(key)),
        acquire: (key, wanted) => (isCut ? lost() : store.acquire(key, wanted)),
        spend: (key, epoch, spent) => (isCut ? lost() : store.spend(key, epoch, spent)),
        publish: (key, epoch, token) => (isCut ? lost() : store.publish(key, epoch, token)),
        markSuspect: (key, generation) => (isCut ? lost() : store.markSuspect(key, generation)),
        release: (key, epoch, retry) => (isCut ? lost() : store.release(key, epoch, retry)),
      }
    }
    const nodes = await fleet.nodes(2, { onStoreDown: 'refreshAlone' })
    const [first, second] = nodes
    await fleet.clock.advance(HOUR)
    isCut = true
    await first.tokens.refresh()
    await fleet.clock.advance(2 * MINUTE)
    await second?.tokens.refresh()
    isCut = false
    await fleet.clock.advance(6 * MINUTE)
    expect(held(nodes).map((token) => wechat.takes(token ?? ''))).toEqual([true, true])
  })

  it('and is suspect is not put into the store, nor knocked for again and again', async () => {
    const fleet = new VirtualFleet('classic', { perDay: 2, dayOffset: 480, force: undefined })
    const [first] = await fleet.nodes(1)
    outcomeOf(first.tokens.reject('token-1'))
    await fleet.clock.advance(MINUTE)
    fleet.store.empty()
    const before = { ...fleet.store.counts }
    await fleet.clock.advance(30 * MINUTE)
    expect(fleet.store.counts.acquire - before.acquire).toBeLessThan(5)
    expect(fleet.store.counts.publish).toBe(before.publish)
  })
})

describe('many nodes that refreshed alone', () => {
  it('tell the store without a stampede when it is back, and have one token by one number', async () => {
    const fleet = new VirtualFleet('stable')
    fleet.issuer.script.push(() => fleet.issuer.grant(10 * MINUTE))
    const nodes = await fleet.nodes(60)
    fleet.issuer.otherwise = () => fleet.issuer.same('token-2', 2 * HOUR)
    await fleet.clock.advance(6 * MINUTE)
    fleet.store.isDown = true
    await fleet.clock.advance(150 * SECOND)
    expect(fleet.issuer.calls).toHaveLength(61)
    fleet.store.empty()
    fleet.store.latency = 5
    // By chance, not in the order in which they refreshed.
    nodes.forEach(({ system }, i) => (system.random = ((i * 37) % 60) / 60))
    const before = { ...fleet.store.counts }
    fleet.store.comeBack()
    await fleet.clock.advance(MINUTE)
    const { acquire, publish } = fleet.store.counts
    expect(new Set(nodes.map(({ tokens }) => tokens.status().generation)).size).toBe(1)
    expect(publish - before.publish).toBeLessThan(15)
    expect(acquire - before.acquire).toBeLessThan(30)
    // The call that each made is told by and by.
    await fleet.clock.advance(11 * MINUTE)
    expect(nodes[0].tokens.status().fetchesToday).toBe(61)
    expect(fleet.store.counts.acquire - before.acquire).toBeLessThan(3 * 60)
    fleet.store.latency = 0
  })
})

describe('a process that ends', () => {
  it('tells the store of the token that only it has, also before its turn', async () => {
    const { fleet, first, second } = await servedFirst()
    fleet.store.comeBack()
    await fleet.clock.advance(1)
    const closed = outcomeOf(first.tokens.close())
    await fleet.clock.advance(SECOND)
    expect([closed.settled, second?.tokens.get()]).toEqual([true, 'token-2'])
  })
})

describe('the same token that nodes got alone', () => {
  it('is one token, whatever generations they gave it: whoever refused it waits for a newer one', async () => {
    const fleet = new VirtualFleet('stable')
    const nodes = await fleet.nodes(2)
    fleet.issuer.otherwise = () => fleet.issuer.same('token-2', 2 * HOUR)
    fleet.store.isDown = true
    await fleet.clock.advance(2 * HOUR - 90 * SECOND)
    const [first, second] = [...nodes].sort(
      (a, b) => (a.tokens.status().generation ?? 0) - (b.tokens.status().generation ?? 0),
    )
    expect(first?.tokens.status().generation).toBeLessThan(second?.tokens.status().generation ?? 0)
    fleet.issuer.otherwise = transient()
    const healed = outcomeOf(first?.tokens.reject('token-2') ?? Promise.reject(new Error('no node')))
    await settle()
    // The other node's is the higher one: it is in the store now.
    fleet.store.comeBack()
    await fleet.clock.advance(12 * SECOND)
    expect(first?.tokens.status().generation).toBe(second?.tokens.status().generation)
    expect([healed.settled, first?.tokens.status().state]).toEqual([false, 'suspect'])
    fleet.issuer.otherwise = () => fleet.issuer.same('token-3', 2 * HOUR)
    await fleet.clock.advance(8 * SECOND)
    expect(healed.value?.accessToken).toBe('token-3')
  })
})

describe('start', () => {
  it('waits for a live token where the stored one has ended', async () => {
    const fleet = new VirtualFleet('classic')
    const [first] = await fleet.nodes(1)
    await first.tokens.close()
    await fleet.clock.advance(3 * HOUR)
    let answer = (): void => undefined
    fleet.issuer.script.push(() => new Promise((resolve) => (answer = () => resolve(fleet.issuer.grant()))))
    const starting = outcomeOf(fleet.starting())
    await settle()
    expect(starting.settled).toBe(false)
    answer()
    await settle()
    expect(starting.value?.get()).toBe('token-2')
  })

  it('rejects at once with what only an operator can mend in the store', async () => {
    const fleet = new VirtualFleet('stable')
    fleet.store.isDown = true
    fleet.store.failure = new StoreOperatorError('store.encryptionKey opens no token of this store')
    const starting = outcomeOf(fleet.starting())
    await fleet.clock.advance(1)
    expect(starting.error).toMatchObject({
      code: 'ERR_STORE',
      retryable: false,
      message: 'account wx1: the store failed: store.encryptionKey opens no token of this store',
    })
    expect(fleet.issuer.calls).toHaveLength(0)
  })
})
