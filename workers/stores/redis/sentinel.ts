import type { Clock } from '../../../src/clock.js'
import { StoreOperatorError } from '../store-error.js'
import { Connection, type Ground } from './connection.js'
import { failureOf } from './failures.js'
import { elsewhere, placeOf, type Target } from './target.js'
import { within } from './within.js'

/**
 * Asks Sentinels for the master, each time that a connection is needed: after a failover the next one leads to the new
 * master. The first URL's credentials and database are the master's; a Sentinel is sent its own only when it asks.
 */
export class Sentinels {
  readonly #ground: Ground
  readonly #clock: Clock
  readonly #name: string
  readonly #sentinels: readonly Target[]
  /** Whom to ask first: not the one that failed last. */
  #turn = 0

  constructor(ground: Ground, clock: Clock, name: string, sentinels: readonly Target[]) {
    this.#ground = ground
    this.#clock = clock
    this.#name = name
    this.#sentinels = sentinels
  }

  async master(signal: AbortSignal): Promise<Connection> {
    let failure: unknown
    // One that is silent must leave time for the others, and for the master itself.
    const share = this.#ground.timeout / (this.#sentinels.length + 1)
    for (let i = 0; i < this.#sentinels.length; i++) {
      const sentinel = this.#sentinels[this.#turn % this.#sentinels.length]
      if (!sentinel) break
      try {
        const address = await within(this.#clock, share, signal, 'no answer', (s) => this.#ask(sentinel, s))
        return await this.#connect(address, signal)
      } catch (error) {
        signal.throwIfAborted()
        this.#turn += 1
        failure = error
      }
    }
    throw failureOf(failure, this.#first)
  }

  get #first(): Target {
    const [first] = this.#sentinels
    if (!first) throw new StoreOperatorError('store.url names no Sentinel')
    return first
  }

  async #ask(sentinel: Target, signal: AbortSignal): Promise<Target> {
    const { username, password } = sentinel
    const plain = { ...sentinel, username: undefined, password: undefined, database: 0 }
    const open = (target: Target): Promise<Connection> => Connection.open(this.#ground, target, signal)
    const ask = async (connection: Connection): Promise<Target> => {
      try {
        return this.#masterIn(
          await connection.send(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.#name], signal),
        )
      } finally {
        connection.drop()
      }
    }
    try {
      return await ask(await open(plain))
    } catch (error) {
      const needsAccess = error instanceof Error && /\b(NOAUTH|NOPERM)\b/.test(error.message)
      if (!needsAccess || password === undefined) throw failureOf(error, sentinel)
    }
    try {
      return await ask(await open({ ...plain, username, password }))
    } catch (error) {
      throw failureOf(error, sentinel)
    }
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
      throw new Error(`Redis at ${placeOf(address)} is the master no more`)
    }
    return connection
  }
}
