import fc from 'fast-check'
import { describe, it } from 'vitest'
import assert from 'node:assert/strict'
import { outcomeOf } from '../support/outcome.js'
import { transient } from '../support/scripted-issuer.js'
import { settle } from '../support/virtual-clock.js'
import { type Node, VirtualFleet } from '../support/virtual-fleet.js'
import { VirtualWechat } from '../support/virtual-wechat.js'

/** `npm run proof` asks for more. */
const RUNS = Math.ceil(15 * Number(process.env.PROPERTY_RUNS ?? 1))
const NODES = 3
const SECOND = 1_000
/** ms; a retry interval, as it is set by default. */
const RETRY = 2 * SECOND
const MINUTE = 60_000

type Action =
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'block'; readonly ms: number }
  | { readonly do: 'kill' | 'restart' | 'refresh' | 'reject' | 'use'; readonly node: number }
  | { readonly do: 'store down' | 'store back' | 'store empty' | 'mute' | 'unmute' | 'slow' | 'fast' }
  | { readonly do: 'issuer down' | 'issuer back' | 'others rotate' }
  | { readonly do: 'hold the answer' | 'let it go' | 'lose the answer' }
  | { readonly do: 'store read-only' | 'store written' }

const anAction: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      ms: fc.oneof(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 1, max: 4_000_000 })),
    }),
  },
  // All threads of the process of the test, as a machine that sleeps: each node was stopped.
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('block' as const), ms: fc.integer({ min: 1, max: 40_000 }) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('kill', 'restart', 'refresh', 'reject', 'use'),
      node: fc.integer({ min: 0, max: NODES - 1 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom(
        ...(['store down', 'store back', 'store empty', 'store read-only', 'store written'] as const),
        ...(['mute', 'unmute', 'slow', 'fast'] as const),
      ),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom(
        ...(['issuer down', 'issuer back', 'others rotate'] as const),
        ...(['hold the answer', 'let it go', 'lose the answer'] as const),
      ),
    }),
  },
)

class World {
  readonly fleet: VirtualFleet
  readonly wechat: VirtualWechat
  readonly nodes: Node[] = []
  readonly generations: number[] = []
  #letGo: (() => void)[] = []

  constructor(endpoint: 'stable' | 'classic') {
    this.fleet = new VirtualFleet(endpoint)
    this.fleet.store.pollEvery = 2 * MINUTE
    this.wechat = new VirtualWechat(this.fleet.clock, endpoint)
    this.fleet.issuer.otherwise = (forced) => this.wechat.ask(forced)
  }

  async do(action: Action): Promise<void> {
    const { clock, store, issuer } = this.fleet
    switch (action.do) {
      case 'pass':
        return clock.advance(action.ms)
      case 'block':
        return clock.block(action.ms)
      case 'kill':
        return this.nodes[action.node]?.system.kill()
      case 'restart': {
        await this.close(action.node)
        this.nodes[action.node] = this.fleet.node()
        this.generations[action.node] = 0
        return settle()
      }
      case 'refresh':
        this.#ask((tokens) => tokens.refresh(), action.node)
        return settle()
      case 'reject':
        this.#ask((tokens) => tokens.reject(tokens.current?.accessToken ?? 'none'), action.node)
        return settle()
      case 'use':
        return this.use(action.node)
      case 'store down':
        store.isDown = true
        return
      case 'store back':
        return store.comeBack()
      case 'store empty':
        return store.empty()
      case 'store read-only':
        store.isReadOnly = true
        return
      case 'store written':
        store.isReadOnly = false
        return
      case 'mute':
        store.isMute = true
        return
      case 'unmute':
        store.isMute = false
        return
      case 'slow':
        store.latency = 700
        return
      case 'fast':
        store.latency = 0
        return
      case 'issuer down':
        this.wechat.isDown = true
        return
      case 'issuer back':
        this.wechat.isDown = false
        return
      case 'others rotate':
        this.wechat.rotate()
        return
      case 'hold the answer':
        issuer.script.push((forced) => {
          const answer = this.wechat.ask(forced)
          return new Promise((resolve) => this.#letGo.push(() => resolve(answer)))
        })
        return
      case 'lose the answer':
        issuer.script.push((forced) => {
          this.wechat.ask(forced)
          return { ...transient('ERR_TIMEOUT'), sent: true }
        })
        return
      case 'let it go':
        this.letGo()
        return settle()
    }
  }

  /** A request with the node's token; a refused one is rejected, as an interceptor does. */
  use(node: number): Promise<void> {
    const token = this.nodes[node]?.tokens.current
    if (token && !this.wechat.takes(token.accessToken))
      this.#ask((tokens) => tokens.reject(token.accessToken), node)
    return settle()
  }

  /** It may wait for the store, which takes time. */
  async close(node: number): Promise<void> {
    const closed = outcomeOf(this.nodes[node]?.tokens.close() ?? Promise.resolve())
    for (let i = 0; i < 20 && !closed.settled; i++) await this.fleet.clock.advance(SECOND)
    assert.ok(closed.settled, `node ${node} did not end`)
  }

  letGo(): void {
    for (const go of this.#letGo) go()
    this.#letGo = []
  }

  /** All faults end. */
  async heal(): Promise<void> {
    const { store, issuer } = this.fleet
    this.wechat.isDown = false
    store.isMute = false
    store.isReadOnly = false
    store.latency = 0
    issuer.script.length = 0
    this.letGo()
    store.comeBack()
    await settle()
  }

  check(): void {
    const now = this.fleet.clock.now()
    for (const [i, { tokens }] of this.nodes.entries()) {
      const token = tokens.current
      if (!token) continue
      assert.ok(token.expiresAt > now, `node ${i} gives an expired token`)
      assert.ok(token.generation >= (this.generations[i] ?? 0), `node ${i} went back to an older token`)
      this.generations[i] = token.generation
    }
  }

  #ask(ask: (tokens: Node['tokens']) => Promise<unknown>, node: number): void {
    const one = this.nodes[node]
    if (one) outcomeOf(ask(one.tokens))
  }
}

describe('a fleet, whatever happens to it', () => {
  it.each(['classic', 'stable'] as const)(
    'on %s never gives an expired token nor goes back to an older one; when all is well again it has one that works',
    async (endpoint) => {
      await fc.assert(
        fc.asyncProperty(fc.array(anAction, { minLength: 5, maxLength: 30 }), async (actions) => {
          const world = new World(endpoint)
          for (const node of await world.fleet.nodes(NODES)) world.nodes.push(node)
          try {
            for (const action of actions) {
              await world.do(action)
              world.check()
            }
            await world.heal()
            // As requests go on, whoever holds a token that is refused says so.
            for (let i = 0; i < 10; i++) {
              await world.fleet.clock.advance(15 * SECOND)
              for (let node = 0; node < NODES; node++) await world.use(node)
              world.check()
            }
            // What others have retired works for five minutes more: then it is noticed.
            await world.fleet.clock.advance(4 * MINUTE)
            for (let node = 0; node < NODES; node++) await world.use(node)
            await world.fleet.clock.advance(MINUTE)
            world.check()
            const held = world.nodes.map(({ tokens }) => tokens.current)
            const [first] = held
            assert.ok(first, 'a node has no token')
            assert.deepEqual(
              held.map((token) => [token?.accessToken, token?.generation]),
              held.map(() => [first.accessToken, first.generation]),
              'the nodes hold different tokens',
            )
            assert.ok(world.wechat.takes(first.accessToken), 'the fleet’s token does not work')
            // And when it is refused, all have another as soon as the next call is allowed.
            world.wechat.revoke()
            await world.use(0)
            await world.fleet.clock.advance(RETRY)
            for (const { tokens } of world.nodes)
              assert.ok(
                world.wechat.takes(tokens.current?.accessToken ?? ''),
                'a refused token was not replaced',
              )
          } finally {
            for (let node = 0; node < NODES; node++) await world.close(node)
          }
        }),
        { numRuns: RUNS, endOnFailure: true },
      )
    },
    16_000 * RUNS,
  )
})
