import { lookup } from 'node:dns'
import { Alarm } from '../src/alarm.js'
import type { AccountConfig, OnStoreDown } from '../src/protocol.js'
import type { Store } from '../src/store.js'
import { Account } from '../workers/account.js'
import { Journal } from '../workers/journal.js'
import { RefreshLoop } from '../workers/refresh-loop.js'
import { plainStore } from '../workers/stores/encrypted.js'
import { Stores } from '../workers/stores/stores.js'
import { HeapClock } from './fleet-clock.js'
import { type Endpoint, SharedIssuer, SharedStore } from './fleet-shared.js'

/** A fleet of the refresher's own loops, put together as `workers/run.ts` does, without threads, ports or a network. */

const KEY = { kind: 'module', url: 'none', options: undefined, encryptionKeys: [] } as const
/** ms; the defaults. */
const REFRESH_AHEAD = 200_000
const TIMEOUT = 10_000
const RETRY = { minDelay: 1_000, maxDelay: 60_000 }

interface Node {
  readonly loop: RefreshLoop
  readonly account: Account
  readonly life: AbortSignal
  /** Nothing of it reaches the store or the issuer any more. */
  kill(): void
}

export class SimulatedFleet {
  readonly clock = new HeapClock()
  readonly store = new SharedStore(this.clock)
  readonly issuer: SharedIssuer
  readonly nodes: readonly Node[]
  readonly #random = chance(1)
  /** Of the newest token: when the first node had it and when the last one, monotonic ms. */
  #seen = { generation: 0, first: 0, last: 0, late: 0 }

  constructor(count: number, endpoint: Endpoint, onStoreDown: OnStoreDown) {
    this.issuer = new SharedIssuer(this.clock, endpoint)
    const config: AccountConfig = {
      id: 'wx',
      appId: 'wx',
      appSecret: 'secret',
      endpoint,
      baseUrls: [],
      refreshAhead: REFRESH_AHEAD,
      retry: RETRY,
      timeout: TIMEOUT,
      proxy: undefined,
      onStoreDown,
    }
    // One alarm for all: each rings at the same moments as one of its own would.
    const alarm = new Alarm(this.clock)
    this.nodes = Array.from({ length: count }, () => this.#node(config, alarm))
  }

  /** ms from the first node that had the newest token to the last one that got it. */
  get seenWithin(): number {
    return this.#seen.last - this.#seen.first
  }

  /** Nodes that got it later than a second after the first one. */
  get late(): number {
    return this.#seen.late
  }

  /** Nodes that live and have no live token. */
  get unserved(): number {
    return this.nodes.filter(({ account, life }) => !life.aborted && account.left <= 0).length
  }

  /** ms until the token of the fleet ends. */
  get left(): number {
    return Math.max(...this.nodes.map(({ account }) => account.left))
  }

  /** Starts them all, within `ms`. */
  start(ms: number): void {
    for (const { loop } of this.nodes) this.clock.timer(ms * this.#random(), () => void loop.run())
  }

  advance(ms: number): Promise<void> {
    return this.clock.advance(ms)
  }

  /** An API has refused the current token, and each node's caller says so. */
  rejectEverywhere(): void {
    for (const [i, { loop, account }] of this.nodes.entries()) loop.reject(i, account.generation)
  }

  #node(config: AccountConfig, alarm: Alarm): Node {
    const { clock } = this
    const life = new AbortController()
    const random = (): number => this.#random()
    const issuer = this.issuer.connect()
    const open = (): Promise<Store> => Promise.resolve(plainStore(this.store.connect(life.signal)))
    const stores = new Stores(KEY, open, { clock, lookup, warn: () => undefined })
    const account = new Account({
      config,
      known: undefined,
      limits: issuer.limits,
      clock,
      random,
      publish: (state, news) => {
        if (news === 'token' && state.token) this.#saw(state.token.generation)
      },
    })
    const loop = new RefreshLoop({
      account,
      issuer,
      store: stores.of(config),
      clock,
      alarm,
      random,
      journal: new Journal(config.id, clock, () => undefined),
      answer: () => undefined,
    })
    return { loop, account, life: life.signal, kill: () => life.abort() }
  }

  #saw(generation: number): void {
    const now = this.clock.monotonic()
    if (generation > this.#seen.generation) this.#seen = { generation, first: now, last: now, late: 0 }
    else if (generation === this.#seen.generation) {
      this.#seen.last = now
      if (now - this.#seen.first > 1_000) this.#seen.late += 1
    }
  }
}

/** The same dice in each run (mulberry32). */
function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
