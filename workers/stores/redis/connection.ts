import type { LookupFunction } from 'node:net'
import type { RedisClient, RedisPackage } from './client.js'
import { failureOf, isOfNoUse } from './failures.js'
import type { Target } from './target.js'
import { unlessAborted } from './within.js'

/** What every connection needs beside its target. */
export interface Ground {
  readonly redis: RedisPackage
  /** Known addresses at once: a lookup runs on libuv's pool, which the application may have saturated. */
  readonly lookup: LookupFunction
  /** ms */
  readonly timeout: number
}

/**
 * One connection, for as long as it works: the first error, or a command given up, ends it, and whoever needs another
 * makes one. The client's own reconnecting would keep commands and state across servers.
 */
export class Connection {
  readonly target: Target
  /** Resolves when it has ended. */
  readonly gone: Promise<void>
  readonly #client: RedisClient
  readonly #redis: RedisPackage
  readonly #socket: AbortController
  readonly #ended: () => void
  #isGone = false
  /** Why it has ended: what was under way then only hears that it did. */
  #cause: unknown

  private constructor({ redis, lookup, timeout }: Ground, target: Target) {
    const { host, port, tls, username, password, database } = target
    this.target = target
    this.#redis = redis
    this.#socket = new AbortController()
    let ended = (): void => undefined
    this.gone = new Promise<void>((resolve) => (ended = resolve))
    this.#ended = ended
    this.#client = redis.createClient({
      // What we send is the same in both, and old servers know only this.
      RESP: 2,
      username,
      password,
      database,
      disableOfflineQueue: true,
      // Sent with each connection, and a narrow ACL refuses it.
      disableClientInfo: true,
      maintNotifications: 'disabled',
      commandOptions: { timeout: undefined },
      socket: {
        host,
        port,
        tls,
        lookup,
        connectTimeout: timeout,
        reconnectStrategy: false,
        // The client forgets a socket that is still connecting: only so can it be ended.
        signal: this.#socket.signal,
      },
    })
    this.#client.on('error', (error) => this.drop(error))
  }

  /**
   * Connected, authenticated, its database selected.
   * @throws StoreOperatorError, or an error of a connection, as the store throws them
   */
  static async open(ground: Ground, target: Target, signal: AbortSignal): Promise<Connection> {
    signal.throwIfAborted()
    const connection = new Connection(ground, target)
    try {
      await connection.#unlessAborted(signal, () => connection.#client.connect())
      return connection
    } catch (error) {
      connection.drop(error)
      throw failureOf(error, target)
    }
  }

  get isGone(): boolean {
    return this.#isGone
  }

  /** The reply, or the server's own error. A command that is given up ends the connection: its reply would still be on its way. */
  send(args: readonly string[], signal: AbortSignal): Promise<unknown> {
    return this.#unlessAborted(signal, () => this.#client.sendCommand(args))
  }

  async subscribe(channel: string, onMessage: (message: string) => void, signal: AbortSignal): Promise<void> {
    await this.#unlessAborted(signal, () => this.#client.subscribe(channel, onMessage))
  }

  /** The first cause counts: it is what all that is under way, or comes later, fails with. */
  drop(cause?: unknown): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#cause = cause
    this.#client.destroy()
    this.#socket.abort()
    this.#ended()
  }

  /** Dropping fails whatever is pending, at once. */
  async #unlessAborted<T>(signal: AbortSignal, start: () => Promise<T>): Promise<T> {
    const drop = (): void => this.drop(signal.reason)
    if (signal.aborted) drop()
    signal.addEventListener('abort', drop, { once: true })
    try {
      return await start()
    } catch (error) {
      const isReply = error instanceof this.#redis.ErrorReply
      if (!isReply || isOfNoUse(error)) this.drop(error)
      throw isReply ? error : (this.#cause ?? error)
    } finally {
      signal.removeEventListener('abort', drop)
    }
  }
}

interface Opening {
  readonly connection: Promise<Connection>
  readonly stop: AbortController
  waiting: number
}

/** A connection that is made when it is needed, for all who need it. */
export class Line {
  readonly #open: (signal: AbortSignal) => Promise<Connection>
  #opening: Opening | undefined
  #connection: Connection | undefined

  constructor(open: (signal: AbortSignal) => Promise<Connection>) {
    this.#open = open
  }

  /** Nothing is connected, nor about to be. */
  get isIdle(): boolean {
    return !this.#opening && this.#connection?.isGone !== false
  }

  async get(signal: AbortSignal): Promise<Connection> {
    if (this.#connection && !this.#connection.isGone) return this.#connection
    const opening = (this.#opening ??= this.#begin())
    opening.waiting += 1
    try {
      return await unlessAborted(opening.connection, signal)
    } finally {
      // Who asked first may have less time than the others: it is given up with the last one.
      opening.waiting -= 1
      if (opening.waiting === 0) this.#giveUp(opening, signal.reason)
    }
  }

  drop(): void {
    this.#connection?.drop()
  }

  #begin(): Opening {
    const stop = new AbortController()
    const connection = this.#open(stop.signal).then((opened) => (this.#connection = opened))
    return { connection, stop, waiting: 0 }
  }

  /** Whoever comes next begins anew, instead of failing with it. */
  #giveUp(opening: Opening, reason: unknown): void {
    if (this.#opening === opening) this.#opening = undefined
    opening.stop.abort(reason)
  }
}
