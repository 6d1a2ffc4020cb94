import type { Clock } from '../../../src/clock.js'
import { Connection, type Ground, Line } from './connection.js'
import { failureOf, redirectionOf, ServerFailure } from './failures.js'
import { Round } from './round.js'
import { keyOf, LOAD, type Script } from './scripts.js'
import { evaluate, type Servers } from './servers.js'
import { elsewhere, placeOf, type Target } from './target.js'
import { within } from './within.js'

/** A failover or a slot on its way takes one or two; more is a cluster at odds with itself. */
const MOST_REDIRECTIONS = 5

/** Silent nodes after which one operation still has time for another; with more of them the next one goes on from there. */
const MOST_SILENT = 3

/** What is asked, for as long as `signal` lets it. */
interface Question {
  readonly script: Script
  readonly key: string
  readonly args: readonly string[]
  readonly signal: AbortSignal
}

/** What a node said: its reply, or another node that is to be asked. */
type Said = { readonly reply: unknown } | { readonly isAsking: boolean; readonly target: Target }

/**
 * The nodes of a cluster. Which one holds a key is learned by asking any: it says so. There are few keys, one for each
 * account, so no map of the slots is kept.
 */
export class Cluster implements Servers {
  readonly #ground: Ground
  readonly #clock: Clock
  readonly #seeds: readonly Target[]
  readonly #answered: (connection: Connection) => void
  /** By place: the seeds, and the nodes that we were sent to, while connected. */
  readonly #lines = new Map<string, { readonly target: Target; readonly line: Line }>()
  readonly #owners = new Map<string, Target>()
  /** Where nobody knows who holds a key. */
  readonly #round = new Round()

  constructor(
    ground: Ground,
    clock: Clock,
    seeds: readonly Target[],
    answered: (connection: Connection) => void,
  ) {
    this.#ground = ground
    this.#clock = clock
    this.#seeds = seeds
    this.#answered = answered
  }

  async run(script: Script, key: string, args: readonly string[], signal: AbortSignal): Promise<unknown> {
    const question: Question = { script, key, args, signal }
    const targets = this.#known()
    const share = this.#shareOf(targets)
    const owner = await this.#ownerOf(key, share, signal)
    if (owner) return this.#follow(question, owner, await this.#ask(question, owner))
    return this.#round.ask(targets, signal, async (target) => {
      const [connection, said] = await this.#patiently(target, share, signal, async (s) => {
        const opened = await this.#connect(target, s)
        return [opened, await this.#ask({ ...question, signal: s }, opened)] as const
      })
      return this.#follow(question, connection, said)
    })
  }

  /** At a node that knows the cluster: one that is cut off from it or still loads takes subscriptions, too. */
  listener(signal: AbortSignal): Promise<Connection> {
    const targets = this.#known()
    const share = this.#shareOf(targets)
    return this.#round.ask(targets, signal, (target) =>
      this.#patiently(target, share, signal, async (s) => {
        const connection = await Connection.open(this.#ground, target, s)
        try {
          await evaluate(connection, LOAD, ANY_KEY, [], s)
        } catch (error) {
          if (redirectionOf(error)) return connection
          connection.drop(error)
          throw failureOf(error, target)
        }
        return connection
      }),
    )
  }

  close(): void {
    for (const { line } of this.#lines.values()) line.drop()
  }

  #known(): readonly Target[] {
    const known = new Map(this.#seeds.map((target) => [placeOf(target), target]))
    for (const [place, { target }] of this.#lines) known.set(place, target)
    return [...known.values()]
  }

  /** ms; one for the owner as we knew it, one for each node that may know another, and one for that other. */
  #shareOf({ length }: readonly Target[]): number {
    return this.#ground.timeout / (Math.min(length, MOST_SILENT) + 2)
  }

  #patiently<T>(
    target: Target,
    share: number,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const why = `Redis at ${placeOf(target)} gave no answer within ${Math.round(share)} ms`
    return within(this.#clock, share, signal, why, work)
  }

  /** Who held the key when we last heard of it, if it can be reached. */
  async #ownerOf(key: string, share: number, signal: AbortSignal): Promise<Connection | undefined> {
    const owner = this.#owners.get(key)
    if (!owner) return undefined
    try {
      return await this.#patiently(owner, share, signal, (s) => this.#connect(owner, s))
    } catch {
      this.#owners.delete(key)
      signal.throwIfAborted()
      return undefined
    }
  }

  /** From one node to the next, as they say. */
  async #follow(question: Question, from: Connection, first: Said): Promise<unknown> {
    const { key, signal } = question
    let connection = from
    let said = first
    try {
      for (let i = 0; !('reply' in said); i++) {
        if (i === MOST_REDIRECTIONS)
          throw new ServerFailure(`Redis Cluster at ${placeOf(connection.target)}: redirected too often`)
        const { isAsking, target } = said
        connection = await this.#connect(target, signal)
        said = await this.#ask(question, connection, isAsking)
      }
    } catch (error) {
      this.#owners.delete(key)
      throw error
    }
    return said.reply
  }

  async #ask(
    { script, key, args, signal }: Question,
    connection: Connection,
    isAsking = false,
  ): Promise<Said> {
    const { target } = connection
    try {
      const run = isAsking ? asking : evaluate
      const reply = await run(connection, script, key, args, signal)
      this.#answered(connection)
      if (!isAsking) this.#owners.set(key, target)
      return { reply }
    } catch (error) {
      const redirection = redirectionOf(error)
      if (!redirection) {
        this.#owners.delete(key)
        throw failureOf(error, target, { key })
      }
      const { kind, host, port } = redirection
      return { isAsking: kind === 'ASK', target: elsewhere(target, host === '' ? target.host : host, port) }
    }
  }

  async #connect(target: Target, signal: AbortSignal): Promise<Connection> {
    const place = placeOf(target)
    const line = this.#lines.get(place)?.line ?? this.#lineTo(target)
    this.#lines.set(place, { target, line })
    try {
      return await line.get(signal)
    } catch (error) {
      this.#forget(place, line)
      throw error
    }
  }

  #lineTo(target: Target): Line {
    const line = new Line(async (signal) => {
      const connection = await Connection.open(this.#ground, target, signal)
      void connection.gone.then(() => this.#forget(placeOf(target), line))
      return connection
    })
    return line
  }

  /** Unless it is wanted again. */
  #forget(place: string, line: Line): void {
    if (line.isIdle && this.#lines.get(place)?.line === line) this.#lines.delete(place)
  }
}

/** Of nobody, and only read. */
const ANY_KEY = keyOf('')

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
