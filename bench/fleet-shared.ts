import type { Clock } from '../src/clock.js'
import type { RequestSide } from '../src/protocol.js'
import type { Notice, Store } from '../src/store.js'
import type { Issuer } from '../workers/issuer.js'
import type { Answer } from '../workers/providers/provider.js'
import { wechatClassic } from '../workers/providers/wechat-classic.js'
import { wechatStable } from '../workers/providers/wechat-stable.js'
import { memoryStore } from '../workers/stores/memory.js'

/** What the nodes of a simulated fleet have in common: a store and an issuer, on the virtual clock. */

/** ms, to the store and again back */
const STORE_WAY = 5
/** ms */
const TOKEN_CALL = 200

const OPERATIONS = ['load', 'acquire', 'spend', 'publish', 'markSuspect', 'release'] as const
type Operation = (typeof OPERATIONS)[number]
export type Counts = Record<Operation, number>

export class SharedStore {
  readonly #clock: Clock
  readonly #watchers = new Set<(notice: Notice | undefined) => void>()
  #store: Store
  /** No operation gets through. */
  isDown = false
  /** Notices get lost. */
  isMute = false
  /** Since `begin`, those that reached it while it was up. */
  counts: Counts = nothing()
  /** Since `begin`: how many arrived in each second, also while it was down. */
  #arrived = new Map<number, number>()

  constructor(clock: Clock) {
    this.#clock = clock
    this.#store = this.#empty()
  }

  /** Counts anew. */
  begin(): void {
    this.counts = nothing()
    this.#arrived = new Map()
  }

  get operations(): number {
    return OPERATIONS.reduce((sum, operation) => sum + this.counts[operation], 0)
  }

  get mostInASecond(): number {
    return Math.max(0, ...this.#arrived.values())
  }

  /** It answers again, and has lost all; whoever watches is connected again at once. */
  comeBackEmpty(): void {
    this.#store = this.#empty()
    this.isDown = false
    for (const watcher of this.#watchers) watcher(undefined)
  }

  /** As one node has it: what a dead one asks does not arrive. */
  connect(life: AbortSignal): Store {
    const run = <T>(operation: Operation, one: (store: Store) => T | Promise<T>): Promise<T> =>
      life.aborted ? new Promise(() => undefined) : this.#do(operation, one)
    return {
      pollEvery: 30_000,
      load: (key) => run('load', (store) => store.load(key)),
      acquire: (key, wanted) => run('acquire', (store) => store.acquire(key, wanted)),
      spend: (key, epoch, spent) => run('spend', (store) => store.spend(key, epoch, spent)),
      publish: (key, epoch, token) => run('publish', (store) => store.publish(key, epoch, token)),
      markSuspect: (key, generation) => run('markSuspect', (store) => store.markSuspect(key, generation)),
      release: (key, epoch, retry) => run('release', (store) => store.release(key, epoch, retry)),
      watch: (onNotice) => {
        this.#watchers.add(onNotice)
        return () => this.#watchers.delete(onNotice)
      },
      close: () => undefined,
    }
  }

  #empty(): Store {
    const store = memoryStore(this.#clock)
    store.watch((notice) => {
      if (this.isMute) return
      this.#clock.timer(STORE_WAY, () => {
        if (!this.isDown) for (const watcher of this.#watchers) watcher(notice)
      })
    })
    return store
  }

  async #do<T>(operation: Operation, run: (store: Store) => T | Promise<T>): Promise<T> {
    await this.#travel()
    const second = Math.floor(this.#clock.now() / 1_000)
    this.#arrived.set(second, (this.#arrived.get(second) ?? 0) + 1)
    if (this.isDown) throw new Error('the simulated store is down')
    this.counts[operation] += 1
    const outcome = await run(this.#store)
    await this.#travel()
    return outcome
  }

  #travel(): Promise<void> {
    return new Promise((resolve) => this.#clock.timer(STORE_WAY, resolve))
  }
}

const nothing = (): Counts => ({ load: 0, acquire: 0, spend: 0, publish: 0, markSuspect: 0, release: 0 })

export type Endpoint = 'classic' | 'stable'

/** WeChat's, with its limits: each classic call makes a new token, a stable one only in a token's last five minutes. */
export class SharedIssuer {
  readonly #clock: Clock
  readonly #endpoint: Endpoint
  #made = 0
  #endsAt = 0
  /** ms, of a new token */
  life = 7_200_000
  isDown = false
  /** Monotonic, ms: when each call came. */
  calls: number[] = []
  /** Called when the next call arrives; that one is never answered. */
  swallow: (() => void) | undefined

  constructor(clock: Clock, endpoint: Endpoint) {
    this.#clock = clock
    this.#endpoint = endpoint
  }

  begin(): void {
    this.calls = []
  }

  get mostInAMinute(): number {
    const minutes = new Map<number, number>()
    for (const at of this.calls)
      minutes.set(Math.floor(at / 60_000), (minutes.get(Math.floor(at / 60_000)) ?? 0) + 1)
    return Math.max(0, ...minutes.values())
  }

  connect(): Issuer {
    const { limits, retires } = this.#endpoint === 'classic' ? wechatClassic : wechatStable
    return { limits, retires, requestSide: REQUEST_SIDE, fetch: ({ forced }) => this.#fetch(forced) }
  }

  async #fetch(forced: boolean): Promise<Answer> {
    this.calls.push(this.#clock.monotonic())
    const { swallow } = this
    if (swallow) {
      this.swallow = undefined
      swallow()
      return new Promise(() => undefined)
    }
    await new Promise<void>((resolve) => this.#clock.timer(TOKEN_CALL, resolve))
    if (this.isDown) return BUSY
    const now = this.#clock.monotonic()
    if (forced || this.#endpoint === 'classic' || this.#endsAt - now <= RENEWAL_WINDOW) {
      this.#made += 1
      this.#endsAt = now + this.life
    }
    return { granted: true, accessToken: `token-${this.#made}`, life: this.#endsAt - now }
  }
}

const RENEWAL_WINDOW = 300_000

const BUSY: Answer = {
  granted: false,
  failure: { code: 'ERR_ISSUER_REFUSED', message: 'system busy', retryable: true, errcode: -1 },
  wait: { why: 'backoff' },
}

const REQUEST_SIDE: RequestSide = {
  place: { in: 'query', name: 'access_token' },
  refused: { statuses: [], field: 'errcode', codes: [40001] },
  origins: [],
  except: [],
}
