import type { Alarm } from './alarm.js'
import { type Cancel, type Clock, type Instant, reached } from './clock.js'
import type { AccountState } from './protocol.js'
import { Token } from './token.js'

/** ms; how long a read may go on without looking for news. */
const DRAIN_EVERY = 10

export interface HeldTokenEvents {
  /** Takes in what the thread has posted; it may call `take`. */
  drain(): void
  /** There is a live token, where there may have been none: a newer one, or one whose expiry was corrected. */
  live(token: Token): void
  /** Once a token's end, as soon as a read or the alarm notices. */
  expired(): void
  /** A read found no live token. */
  missing(): void
}

/** The last published token in this thread's memory. A read compares two numbers; all else happens now and then. */
export class HeldToken {
  readonly #clock: Clock
  readonly #alarm: Alarm
  readonly #events: HeldTokenEvents
  /** The newest token, expired or not. */
  #held: { readonly token: Token; readonly expires: Instant; readonly marginAt: number } | undefined
  /** What a read gives while the wall clock is in [#lookedAt, #lookAt). */
  #live: Token | undefined
  #lookedAt = -Infinity
  #lookAt = -Infinity
  #expiredGeneration = 0
  #cancelExpiry: Cancel | undefined
  #closed = false

  constructor(clock: Clock, alarm: Alarm, events: HeldTokenEvents) {
    this.#clock = clock
    this.#alarm = alarm
    this.#events = events
  }

  /** The live token. Expiry is checked against the wall clock at each read, against the monotonic one at each look. */
  read(): Token | undefined {
    const now = this.#clock.now()
    if (now >= this.#lookAt || now < this.#lookedAt) this.#look(now)
    return this.#live
  }

  /** The newest token, expired or not. */
  get newest(): Token | undefined {
    return this.#held?.token
  }

  /** A higher generation replaces the token; the same one only has its expiry corrected. */
  take({ token, expires, due }: AccountState): void {
    const held = this.#held
    if (this.#closed || !token || !expires || token.generation < (held?.token.generation ?? 0)) return
    const isNewer = token.generation !== held?.token.generation
    if (!isNewer && expires.mono === held.expires.mono && expires.wall === held.expires.wall) return
    const taken = { token: new Token(token), expires, marginAt: due.wall }
    this.#held = taken
    this.#lookAt = -Infinity
    this.#awaitExpiry(expires)
    if (!reached(expires, this.#clock)) this.#isLive(taken.token)
  }

  close(): void {
    this.#closed = true
    this.#live = undefined
    this.#lookedAt = -Infinity
    this.#lookAt = Infinity
    this.#cancelExpiry?.()
  }

  #look(now: number): void {
    this.#events.drain()
    // What was drained may have been the end.
    if (this.#closed) return
    const held = this.#held
    this.#lookedAt = now
    if (!held || reached(held.expires, this.#clock)) {
      this.#live = undefined
      this.#lookAt = -Infinity
      this.#checkExpiry()
      this.#events.missing()
      return
    }
    if (this.#live !== held.token) this.#isLive(held.token)
    this.#live = held.token
    // Inside the margin a new token may come at any moment: each read looks.
    this.#lookAt =
      now >= held.marginAt ? -Infinity : Math.min(now + DRAIN_EVERY, held.marginAt, held.expires.wall)
  }

  #isLive(token: Token): void {
    // It may end again after its expiry was corrected.
    if (this.#expiredGeneration === token.generation) {
      this.#expiredGeneration = 0
      if (this.#held) this.#awaitExpiry(this.#held.expires)
    }
    this.#events.live(token)
  }

  #awaitExpiry(expires: Instant): void {
    this.#cancelExpiry?.()
    this.#cancelExpiry = this.#alarm.set(expires, () => {
      // A blocked event loop comes here first, with the next token already waiting.
      this.#events.drain()
      this.#checkExpiry()
    })
  }

  #checkExpiry(): void {
    const held = this.#held
    if (!held || !reached(held.expires, this.#clock) || held.token.generation === this.#expiredGeneration)
      return
    this.#expiredGeneration = held.token.generation
    this.#events.expired()
  }
}
