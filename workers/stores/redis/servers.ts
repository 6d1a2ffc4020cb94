import { type Connection, Line } from './connection.js'
import { failureOf, isUnknownScript } from './failures.js'
import type { Script } from './scripts.js'

/** Where the records are: one server, the master that Sentinels name, or a cluster. */
export interface Servers {
  /** Runs a script on the server that holds `key` now; the errors are those that the store throws. */
  run(script: Script, key: string, args: readonly string[], signal: AbortSignal): Promise<unknown>
  /** A connection apart, to hear notices. */
  listener(signal: AbortSignal): Promise<Connection>
  close(): void
}

/** All records on one server, whichever it is when a connection is needed. */
export class OneServer implements Servers {
  readonly #open: (signal: AbortSignal) => Promise<Connection>
  readonly #line: Line
  readonly #answered: (connection: Connection) => void

  constructor(
    open: (signal: AbortSignal) => Promise<Connection>,
    answered: (connection: Connection) => void,
  ) {
    this.#open = open
    this.#line = new Line(open)
    this.#answered = answered
  }

  async run(script: Script, key: string, args: readonly string[], signal: AbortSignal): Promise<unknown> {
    const connection = await this.#line.get(signal)
    try {
      const reply = await evaluate(connection, script, key, args, signal)
      this.#answered(connection)
      return reply
    } catch (error) {
      throw failureOf(error, connection.target, { key })
    }
  }

  listener(signal: AbortSignal): Promise<Connection> {
    return this.#open(signal)
  }

  close(): void {
    this.#line.drop()
  }
}

/** A server forgets its scripts when it starts, and learns them again by the text. */
export async function evaluate(
  connection: Connection,
  { sha, text }: Script,
  key: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<unknown> {
  try {
    return await connection.send(['EVALSHA', sha, '1', key, ...args], signal)
  } catch (error) {
    if (!isUnknownScript(error)) throw error
    return await connection.send(['EVAL', text, '1', key, ...args], signal)
  }
}
