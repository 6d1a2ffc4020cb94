import type { Alarm } from '../src/alarm.js'
import { type Clock, type Instant, instantNow, later, reached } from '../src/clock.js'
import type { Failure } from '../src/errors.js'
import type { AccountState } from '../src/protocol.js'
import type { Account } from './account.js'
import { Demands, type Refresh } from './demands.js'
import { Follower } from './follower.js'
import type { Issuer } from './issuer.js'
import type { Journal } from './journal.js'
import { type Call, Planner } from './planner.js'
import { Rotation } from './rotation.js'
import type { AccountStore } from './stores/account-store.js'

export interface LoopParts {
  readonly account: Account
  readonly issuer: Issuer
  readonly store: AccountStore
  readonly clock: Clock
  readonly alarm: Alarm
  readonly random: () => number
  readonly journal: Journal
  /** Answers a demand: with undefined where a newer token was published before. */
  readonly answer: (id: number, failure: Failure | undefined) => void
}

/**
 * One account's `while (true) { fetch; publish; sleep }`. Everything it touches is handed in: on a virtual clock it
 * runs without a thread, a network or a wait.
 */
export class RefreshLoop {
  readonly #account: Account
  readonly #clock: Clock
  readonly #alarm: Alarm
  readonly #demands: Demands
  readonly #planner: Planner
  readonly #follower: Follower
  readonly #rotation: Rotation
  readonly #closing = new AbortController()
  #wake: () => void = () => undefined

  constructor(parts: LoopParts) {
    const { account, clock, alarm, answer } = parts
    this.#account = account
    this.#clock = clock
    this.#alarm = alarm
    this.#demands = new Demands(answer)
    this.#planner = new Planner(account, clock, this.#demands)
    this.#follower = new Follower({
      ...parts,
      demands: this.#demands,
      retires: parts.issuer.retires,
      wake: () => this.#wake(),
    })
    this.#rotation = new Rotation({
      ...parts,
      demands: this.#demands,
      planner: this.#planner,
      follower: this.#follower,
      closing: this.#closing.signal,
    })
  }

  get state(): AccountState {
    return this.#account.state
  }

  async run(): Promise<void> {
    const unwatch = this.#follower.watch()
    await this.#follower.read()
    for (;;) {
      const call = await this.#nextCall() // Thread.sleep(...), or Thread.interrupt()
      if (!call) break
      await this.#rotation.run(call) // accessToken = getAccessToken()
    }
    unwatch()
    await this.#rotation.close()
  }

  /** An API refused the token of this generation. */
  reject(id: number, generation: number): void {
    const until = later(instantNow(this.#clock), 2 * this.#account.config.timeout)
    this.#demands.addReject({ id, generation, until })
    this.#follower.suspect(generation)
    this.#wake()
  }

  /** An operator's refresh. */
  refresh(demand: Refresh): void {
    this.#demands.addRefresh(demand)
    // At once, also while a call is in flight: what a limit forbids need not wait for it.
    this.#planner.judgeRefreshes(this.state)
    this.#wake()
  }

  /** Whoever asked waits no more. */
  cancel(id: number): void {
    this.#demands.cancel(id)
    this.#wake()
  }

  /** Looks at the clocks and the demands again. */
  look(): void {
    this.#wake()
  }

  close(): void {
    this.#closing.abort()
    this.#wake()
  }

  /** Sleeps until the schedule, a rejection or an operator wants a call and floor, waits and limits allow it. */
  async #nextCall(): Promise<Call | undefined> {
    const follower = this.#follower
    while (!this.#closing.signal.aborted) {
      // Once, and then the demands: a store that has news at each look must not keep the loop from its work.
      if (follower.readAt && reached(follower.readAt, this.#clock)) await follower.read()
      const call = this.#planner.plan(this.state, follower)
      if (reached(call.at, this.#clock)) return call
      await this.#sleep(soonest(call.at, follower.readAt))
    }
    return undefined
  }

  #sleep(until: Instant): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#alarm.set(until, resolve)
      this.#wake = () => {
        cancel()
        resolve()
      }
    })
  }
}

function soonest(a: Instant, b: Instant | undefined): Instant {
  return b && b.mono < a.mono ? b : a
}
