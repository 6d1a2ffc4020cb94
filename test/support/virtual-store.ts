import type { Clock } from '../../src/clock.js'
import type { Notice, Store } from '../../src/store.js'
import { memoryStore } from '../../workers/stores/memory.js'

export type Operation = 'load' | 'acquire' | 'spend' | 'publish' | 'markSuspect' | 'release'

/** A shared store on the virtual clock, and what may happen to it. */
export class VirtualStore {
  readonly #clock: Clock
  #store: Store
  readonly #watchers = new Set<(notice: Notice | undefined) => void>()
  /** ms that each operation takes on its way there, and again on its way back. */
  latency = 0
  /** ms */
  pollEvery = 30_000
  /** Each operation fails. */
  isDown = false
  failure = new Error('the virtual store is down')
  /** It can be read, and each write fails: a full disk, a replica. */
  isReadOnly = false
  /** Notices get lost. */
  isMute = false
  /** ms by which its clock is ahead. */
  skew = 0
  readonly counts: Record<Operation, number> = {
    load: 0,
    acquire: 0,
    spend: 0,
    publish: 0,
    markSuspect: 0,
    release: 0,
  }
  readonly #held = new Map<Operation, Promise<void>>()

  constructor(clock: Clock) {
    this.#clock = clock
    this.#store = this.#fresh()
  }

  /** What is written is gone. */
  empty(): void {
    this.#store = this.#fresh()
  }

  /** It can be used again, and whoever watches is told that notices may have been lost. */
  comeBack(): void {
    this.isDown = false
    for (const watcher of this.#watchers) watcher(undefined)
  }

  /** The answer of the next such operation stays away until the returned function is called. */
  hold(operation: Operation): () => void {
    let release = (): void => undefined
    this.#held.set(operation, new Promise((resolve) => (release = resolve)))
    return release
  }

  get operations(): number {
    return Object.values(this.counts).reduce((sum, count) => sum + count, 0)
  }

  /** What a node has instead of the store as it should be. */
  spoiled: (store: Store) => Partial<Store> = () => ({})

  /** The store as one node has it. */
  readonly open = (): Promise<Store> => {
    const store = this.#opened()
    return Promise.resolve({ ...store, ...this.spoiled(store) })
  }

  #opened(): Store {
    const unwatches: (() => void)[] = []
    return {
      pollEvery: this.pollEvery,
      load: (key) => this.#do('load', (store) => store.load(key)),
      acquire: (key, wanted) => this.#do('acquire', (store) => store.acquire(key, wanted)),
      spend: (key, epoch, spent) => this.#do('spend', (store) => store.spend(key, epoch, spent)),
      publish: (key, epoch, token) => this.#do('publish', (store) => store.publish(key, epoch, token)),
      markSuspect: (key, generation) =>
        this.#do('markSuspect', (store) => store.markSuspect(key, generation)),
      release: (key, epoch, retry) => this.#do('release', (store) => store.release(key, epoch, retry)),
      watch: (onNotice) => {
        this.#watchers.add(onNotice)
        unwatches.push(() => this.#watchers.delete(onNotice))
        return () => this.#watchers.delete(onNotice)
      },
      close: () => {
        for (const unwatch of unwatches) unwatch()
      },
    }
  }

  #fresh(): Store {
    const clock: Clock = {
      now: () => this.#clock.now() + this.skew,
      monotonic: () => this.#clock.monotonic(),
      timer: (ms, callback) => this.#clock.timer(ms, callback),
      hold: () => this.#clock.hold(),
    }
    const store = memoryStore(clock)
    store.watch((notice) => {
      if (this.isMute || this.isDown) return
      for (const watcher of this.#watchers) this.#clock.timer(this.latency, () => watcher(notice))
    })
    return store
  }

  async #do<T>(operation: Operation, run: (store: Store) => T | Promise<T>): Promise<T> {
    this.counts[operation] += 1
    const held = this.#held.get(operation)
    this.#held.delete(operation)
    await this.#travel()
    if (this.isDown || (this.isReadOnly && operation !== 'load')) throw this.failure
    const outcome = await run(this.#store)
    await this.#travel()
    await held
    return outcome
  }

  #travel(): Promise<void> {
    if (this.latency === 0) return Promise.resolve()
    return new Promise((resolve) => this.#clock.timer(this.latency, resolve))
  }
}
