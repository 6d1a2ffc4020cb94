import { Connection, type Ground, Line } from './connection.js'
import { failureOf, redirectionOf } from './failures.js'
import type { Script } from './scripts.js'
import { evaluate, type Servers } from './servers.js'
import { elsewhere, placeOf, type Target } from './target.js'

/** A failover or a slot on its way takes one or two; more is a cluster at odds with itself. */
const MOST_REDIRECTIONS = 5

/**
 * The nodes of a cluster. Which one holds a key is learned by asking any: it says so. There are few keys, one for each
 * account, so no map of the slots is kept.
 */
export class Cluster implements Servers {
  readonly #ground: Ground
  readonly #seeds: readonly Target[]
  readonly #opened: (connection: Connection) => void
  /** By place: the seeds, and the nodes that we were sent to, while connected. */
  readonly #lines = new Map<string, { readonly target: Target; readonly line: Line }>()
  readonly #owners = new Map<string, Target>()
  /** Which node is asked first where nobody knows better: not the one that failed last. */
  #turn = 0

  constructor(ground: Ground, seeds: readonly Target[], opened: (connection: Connection) => void) {
    this.#ground = ground
    this.#seeds = seeds
    this.#opened = opened
  }

  async run(script: Script, key: string, args: readonly string[], signal: AbortSignal): Promise<unknown> {
    let connection = await this.#ownerOf(key, signal)
    let isAsking = false
    for (let i = 0; i <= MOST_REDIRECTIONS; i++) {
      try {
        return isAsking
          ? await asking(connection, script, key, args, signal)
          : await evaluate(connection, script, key, args, signal)
      } catch (error) {
        const redirection = redirectionOf(error)
        if (!redirection) {
          this.#owners.delete(key)
          throw failureOf(error, connection.target, key)
        }
        const { kind, host, port } = redirection
        const target = elsewhere(connection.target, host === '' ? connection.target.host : host, port)
        isAsking = kind === 'ASK'
        if (!isAsking) this.#owners.set(key, target)
        connection = await this.#connect(target, signal).catch((failure: unknown) => {
          this.#owners.delete(key)
          throw failure
        })
      }
    }
    this.#owners.delete(key)
    throw new Error(`Redis Cluster at ${placeOf(connection.target)}: redirected too often`)
  }

  listener(signal: AbortSignal): Promise<Connection> {
    return this.#any((target) => Connection.open(this.#ground, target, signal), signal)
  }

  close(): void {
    for (const { line } of this.#lines.values()) line.drop()
  }

  async #ownerOf(key: string, signal: AbortSignal): Promise<Connection> {
    const owner = this.#owners.get(key)
    if (owner) {
      try {
        return await this.#connect(owner, signal)
      } catch {
        signal.throwIfAborted()
        this.#owners.delete(key)
      }
    }
    return this.#any((target) => this.#connect(target, signal), signal)
  }

  /** The first of all known nodes that can be reached. */
  async #any(connect: (target: Target) => Promise<Connection>, signal: AbortSignal): Promise<Connection> {
    const known = new Map(this.#seeds.map((target) => [placeOf(target), target]))
    for (const [place, { target }] of this.#lines) known.set(place, target)
    const targets = [...known.values()]
    let failure: unknown
    for (let i = 0; i < targets.length; i++) {
      const target = targets[this.#turn % targets.length]
      if (!target) break
      try {
        return await connect(target)
      } catch (error) {
        this.#turn += 1
        signal.throwIfAborted()
        failure = error
      }
    }
    throw failure
  }

  async #connect(target: Target, signal: AbortSignal): Promise<Connection> {
    const place = placeOf(target)
    const known = this.#lines.get(place)
    if (known) return known.line.get(signal)
    const line = new Line(async (s) => {
      const forget = (): void => void this.#lines.delete(place)
      try {
        const connection = await Connection.open(this.#ground, target, s)
        void connection.gone.then(forget)
        this.#opened(connection)
        return connection
      } catch (error) {
        forget()
        throw error
      }
    })
    this.#lines.set(place, { target, line })
    return line.get(signal)
  }
}

/** ASKING holds for the next command alone, so that one must not be refused for an unknown script. */
async function asking(
  connection: Connection,
  { text }: Script,
  key: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<unknown> {
  const [, reply] = await Promise.all([
    connection.send(['ASKING'], signal),
    connection.send(['EVAL', text, '1', key, ...args], signal),
  ])
  return reply
}
