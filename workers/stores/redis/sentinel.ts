import type { Clock } from '../../../src/clock.js'
import { StoreOperatorError } from '../store-error.js'
import { Connection, type Ground } from './connection.js'
import { failureOf, ServerFailure } from './failures.js'
import { Round } from './round.js'
import { elsewhere, placeOf, type Target } from './target.js'
import { within } from './within.js'

/**
 * Asks Sentinels for the master, each time that a connection is needed: after a failover the next one leads to the new
 * master. The first URL's credentials and database are the master's; a Sentinel is sent its own URL's, or where that
 * has none the first one's, and only when it asks.
 */
export class Sentinels {
  readonly #ground: Ground
  readonly #clock: Clock
  readonly #name: string
  readonly #sentinels: readonly Target[]
  readonly #round = new Round()

  constructor(ground: Ground, clock: Clock, name: string, sentinels: readonly Target[]) {
    this.#ground = ground
    this.#clock = clock
    this.#name = name
    this.#sentinels = sentinels
  }

  master(signal: AbortSignal): Promise<Connection> {
    // One that is silent must leave time for the others, and for the master itself.
    const share = this.#ground.timeout / (this.#sentinels.length + 1)
    return this.#round.ask(this.#sentinels, signal, async (sentinel) => {
      const why = `Redis Sentinel at ${placeOf(sentinel)} gave no answer within ${Math.round(share)} ms`
      const address = await within(this.#clock, share, signal, why, (s) => this.#ask(sentinel, s))
      return this.#connect(address, signal)
    })
  }

  get #first(): Target {
    const [first] = this.#sentinels
    if (!first) throw new StoreOperatorError('store.url names no Sentinel')
    return first
  }

  async #ask(sentinel: Target, signal: AbortSignal): Promise<Target> {
    const plain = { ...sentinel, username: undefined, password: undefined, database: 0 }
    const { username, password } = sentinel.password === undefined ? this.#first : sentinel
    const ask = async (target: Target): Promise<Target> => {
      const connection = await Connection.open(this.#ground, target, signal)
      try {
        return this.#masterIn(
          await connection.send(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.#name], signal),
        )
      } catch (error) {
        throw failureOf(error, target, { rights: SENTINEL_RIGHTS })
      } finally {
        connection.drop()
      }
    }
    try {
      return await ask(plain)
    } catch (error) {
      const needsAccess = error instanceof Error && /\b(NOAUTH|NOPERM)\b/.test(error.message)
      if (!needsAccess || password === undefined) throw error
    }
    return ask({ ...plain, username, password })
  }

  #masterIn(reply: unknown): Target {
    const parts: readonly unknown[] = Array.isArray(reply) ? reply : []
    const [host, port] = parts
    if (typeof host !== 'string' || typeof port !== 'string')
      throw new StoreOperatorError(`the Sentinels of store.url know no master named ${this.#name}`)
    return elsewhere(this.#first, host, Number(port))
  }

  /** A Sentinel may not know yet that its master was replaced. */
  async #connect(address: Target, signal: AbortSignal): Promise<Connection> {
    const connection = await Connection.open(this.#ground, address, signal)
    let role: unknown
    try {
      const reply = await connection.send(['ROLE'], signal)
      role = Array.isArray(reply) ? reply[0] : undefined
    } catch (error) {
      // Where the user may not ask, a write tells.
      if (connection.isGone) throw failureOf(error, address)
    }
    if (typeof role === 'string' && role !== 'master') {
      connection.drop()
      throw new ServerFailure(`Redis at ${placeOf(address)} is the master no more`)
    }
    return connection
  }
}

/** What a user must be allowed on a Sentinel that asks for one. */
const SENTINEL_RIGHTS = '+sentinel|get-master-addr-by-name'
