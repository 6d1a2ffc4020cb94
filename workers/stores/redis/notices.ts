import { randomInt } from 'node:crypto'
import type { Clock } from '../../../src/clock.js'
import { messageOf } from '../../../src/errors.js'
import type { Notice } from '../../../src/store.js'
import { StoreOperatorError } from '../store-error.js'
import type { Connection } from './connection.js'
import { failureOf } from './failures.js'
import { CHANNEL } from './scripts.js'
import type { Servers } from './servers.js'
import { pause, within } from './within.js'

/** ms; the most between two attempts to be connected. How much of it is chance: a fleet loses its server all at once. */
const FIRST_WAIT = 200
const LONGEST_WAIT = 5_000
/** ms; the same where only an operator can help. */
const OPERATOR_WAIT = 30_000
/** ms; a connection that lived shorter than this was no success. */
const LIFE = 10_000
/** ms; a connection that was cut off without a word is noticed no sooner than a ping goes unanswered. */
const PING_EVERY = 10_000

type Listener = (notice: Notice | undefined) => void

export interface NoticesParts {
  readonly servers: Servers
  readonly clock: Clock
  /** ms; how long a server may take to answer. */
  readonly timeout: number
  readonly closing: AbortSignal
  readonly warn: (message: string) => void
}

/** One subscription for all who watch, on a connection apart, made anew whenever it is lost. */
export class Notices {
  readonly #parts: NoticesParts
  readonly #listeners = new Set<Listener>()
  #stop: AbortController | undefined
  #warned: string | undefined

  constructor(parts: NoticesParts) {
    this.#parts = parts
    parts.closing.addEventListener('abort', () => this.#end(), { once: true })
  }

  watch(onNotice: Listener): () => void {
    const listener: Listener = (notice) => onNotice(notice)
    this.#listeners.add(listener)
    if (!this.#stop && !this.#parts.closing.aborted) {
      this.#stop = new AbortController()
      void this.#listen(this.#stop.signal)
    }
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size === 0) this.#end()
    }
  }

  #end(): void {
    this.#listeners.clear()
    this.#stop?.abort(new Error('nobody watches any more'))
    this.#stop = undefined
  }

  /** Never fails: it goes on until nobody watches. */
  async #listen(stop: AbortSignal): Promise<void> {
    const { clock } = this.#parts
    const isOver = (): boolean => stop.aborted
    let wait = FIRST_WAIT
    while (!isOver()) {
      let born: number | undefined
      try {
        const connection = await this.#subscribe(stop)
        born = clock.monotonic()
        // What was published since the last connection, or before the first one, went unheard.
        if (!isOver()) this.#tell(undefined)
        await this.#heed(connection, stop)
      } catch (error) {
        if (error instanceof StoreOperatorError && !isOver()) {
          this.#warnOnce(error)
          wait = OPERATOR_WAIT
        }
      }
      if (born !== undefined && clock.monotonic() - born >= LIFE) wait = FIRST_WAIT
      await pause(clock, randomInt(wait), stop)
      wait = Math.min(wait * 2, LONGEST_WAIT)
    }
  }

  #subscribe(stop: AbortSignal): Promise<Connection> {
    const { clock, timeout, servers } = this.#parts
    return within(clock, timeout, stop, 'no answer', async (signal) => {
      const connection = await servers.listener(signal)
      const hear = (message: string): void => {
        const notice = noticeIn(message)
        if (notice && !stop.aborted) this.#tell(notice)
      }
      try {
        await connection.subscribe(CHANNEL, hear, signal)
      } catch (error) {
        connection.drop()
        throw failureOf(error, connection.target)
      }
      return connection
    })
  }

  /** Until the connection is lost, or nobody watches any more. */
  async #heed(connection: Connection, stop: AbortSignal): Promise<void> {
    const { clock, timeout } = this.#parts
    const idle = new AbortController()
    const wake = (): void => idle.abort()
    const isOver = (): boolean => idle.signal.aborted
    stop.addEventListener('abort', wake, { once: true })
    void connection.gone.then(wake)
    try {
      while (!isOver()) {
        await pause(clock, PING_EVERY, idle.signal)
        if (!isOver())
          await within(clock, timeout, stop, 'no answer', (signal) => connection.send(['PING'], signal))
      }
    } finally {
      stop.removeEventListener('abort', wake)
      connection.drop()
    }
  }

  #tell(notice: Notice | undefined): void {
    for (const listener of this.#listeners) listener(notice)
  }

  #warnOnce(error: Error): void {
    const text = messageOf(error)
    if (this.#warned === text) return
    this.#warned = text
    this.#parts.warn(`no notices of new tokens: they are polled for. ${text}`)
  }
}

/** `generation suspect key`, as the scripts write it; what others say on the channel is ignored. */
function noticeIn(message: string): Notice | undefined {
  const [, generation, suspect, key] = /^(\d{1,16}) ([01]) (.*)$/s.exec(message) ?? []
  return key === undefined ? undefined : { key, generation: Number(generation), suspect: suspect === '1' }
}
