import { type Clock, type Instant } from '../src/clock.js'
import type { Account } from './account.js'
import { NOTHING_UNSTORED } from './account-state.js'
import * as schedule from './schedule.js'
import type { AccountStore, Known, Lease } from './stores/account-store.js'

export interface OffersParts {
  readonly account: Account
  readonly store: AccountStore
  readonly clock: Clock
  readonly random: () => number
}

/** ms; nodes that made calls without the store tell it so within this time. */
export const TELL_SPREAD = 600_000

/** What the store does not have yet: a token that was got without it, calls that were made. */
export class Offers {
  readonly #parts: OffersParts
  /** When it is this node's turn; undefined: there is nothing to offer. */
  at: Instant | undefined
  /** The store's token is older than ours. */
  #isUrgent = false

  constructor(parts: OffersParts) {
    this.#parts = parts
  }

  /** The store was read. */
  took(known: Known): void {
    const { account, store, clock, random } = this.#parts
    const isUrgent = this.#isLacking(known)
    // Who was to be soon need not be any more: another node's token is newer.
    if (isUrgent !== this.#isUrgent) this.at = undefined
    this.#isUrgent = isUrgent
    // Each node has calls of its own to tell of: that can wait.
    const spread = isUrgent ? schedule.soon(account.left) : TELL_SPREAD
    const isAny = isUrgent || (store.isShared && account.state.unstored.calls > 0)
    this.at = isAny ? (this.at ?? schedule.spreadOut(clock, spread, random)) : undefined
  }

  /** Another node has published this generation. */
  heard(generation: number): void {
    const { account } = this.#parts
    if (generation === account.generation && account.state.unstored.calls <= 0) this.at = undefined
  }

  /** True: the store has our token now. Throws what the store throws. */
  async make(lease: Lease): Promise<boolean> {
    const { account, store } = this.#parts
    const { token, expires, spent, unstored } = account.state
    const isLacking = this.#isLacking(lease)
    this.at = undefined
    if (!isLacking && unstored.calls <= 0) return false
    if (await store.spend(lease, spent)) account.tell('none', { unstored: NOTHING_UNSTORED })
    if (!token || !expires || !isLacking) return false
    const isPublished = await store.publish(lease, { ...token, expires })
    if (isPublished) account.set({ tokenEpoch: lease.epoch })
    return isPublished
  }

  /** Whether our token is newer than the stored one, and of use to others. */
  #isLacking({ token }: Known): boolean {
    const { left, state, generation } = this.#parts.account
    return left > 0 && !state.suspect && (token?.generation ?? 0) < generation
  }
}
