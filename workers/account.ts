import type { Clock, Instant } from '../src/clock.js'
import type { AccountConfig, AccountState, News } from '../src/protocol.js'
import { adopted, freshState, leftOf, marginOf, resumedState } from './account-state.js'
import type { Limits } from './schedule.js'
import type { Known } from './stores/account-store.js'

export interface AccountParts {
  readonly config: AccountConfig
  /** What the last thread knew. */
  readonly known: AccountState | undefined
  readonly limits: Limits
  readonly clock: Clock
  readonly random: () => number
  /** Tells every reader. */
  readonly publish: (state: AccountState, news: News) => void
}

/** What this node knows of one account now, and says to its readers. */
export class Account {
  readonly config: AccountConfig
  readonly #parts: AccountParts
  #state: AccountState
  #skew = 0

  constructor(parts: AccountParts) {
    this.#parts = parts
    this.config = parts.config
    this.#state = parts.known ? resumedState(parts.known, parts.clock) : freshState(parts.clock)
  }

  get state(): AccountState {
    return this.#state
  }

  get generation(): number {
    return this.#state.token?.generation ?? 0
  }

  /** The issuer's limits; its day turns by the store's clock, where that is not ours. */
  get limits(): Limits {
    const { limits } = this.#parts
    return this.#skew === 0 ? limits : { ...limits, dayOffset: limits.dayOffset + this.#skew / 60_000 }
  }

  /** Of a token that the store gave no epoch for, asked for at `began`: by the store's clock, as epochs are. */
  nextGeneration(began: Instant): number {
    return Math.max(this.generation + 1, Math.floor(began.wall + this.#skew))
  }

  /** ms between the planned refresh and the expiry */
  get margin(): number {
    return marginOf(this.#state, this.config)
  }

  /** ms for which the token is live; 0 or less: it is not. */
  get left(): number {
    return leftOf(this.#state, this.#parts.clock)
  }

  /** Changes what is known; readers hear of it where there is news or `tell` says so. */
  set(change: Partial<AccountState>): void {
    this.#state = { ...this.#state, ...change }
  }

  tell(news: News, change: Partial<AccountState> = {}): void {
    this.set(change)
    this.#parts.publish(this.#state, news)
  }

  /** Takes over what a store's record says; readers hear of what matters to them. True: there is a newer token. */
  adopt(known: Known): boolean {
    const { clock, random } = this.#parts
    const before = this.#state
    this.#skew = known.skew
    this.#state = adopted(before, known, this.config, clock, random)
    const isNewer = this.generation > (before.token?.generation ?? 0)
    const { suspect, expires, spent } = this.#state
    const isChanged =
      suspect !== before.suspect || expires !== before.expires || spent.calls !== before.spent.calls
    if (isNewer || isChanged) this.tell(isNewer ? 'token' : 'none')
    return isNewer
  }
}
