import type { Cancel, Clock } from '../../../src/clock.js'
import { messageOf } from '../../../src/errors.js'
import type { Notice } from '../../../src/store.js'
import { within } from './deferred.js'
import { goodbye, type Line } from './lines.js'

export const CHANNEL = 'token_thread'

/** ms between two attempts to listen, doubled from one to the other. */
const FIRST_PAUSE = 500
const LONGEST_PAUSE = 30_000
/** ms until a connection on which nothing comes through is tried again. */
const DEAF_PAUSE = 60_000
/** ms; how soon a connection is missed that went without a word. */
const HEARTBEAT = 30_000

/** ms, see `Store.pollEvery`. */
const POLL_HEARING = 30_000
const POLL_DEAF = 5_000

type Listener = (notice: Notice | undefined) => void

interface NoticesOptions {
  readonly connect: (onNotice: (payload: string) => void) => Line
  /** Notifies by another connection than the one that listens. */
  readonly send: (payload: string) => Promise<void>
  /** The server itself said no. */
  readonly isAnswer: (error: unknown) => boolean
  readonly clock: Clock
  readonly warn: (message: string) => void
  /** ms, for each step of connecting. */
  readonly timeout: number
}

/**
 * LISTEN on a connection of its own, for as long as somebody watches. It is opened again whenever it ends, and each
 * time all who watch hear `undefined`.
 *
 * Behind a pooler that shares sessions LISTEN seems to succeed and then nothing comes. So a first notice is sent by
 * another connection, and only once it has come through the watchers are said to hear.
 */
export class Notices {
  readonly #options: NoticesOptions
  readonly #listeners = new Set<Listener>()
  #line: Line | undefined
  #cancelPause: Cancel | undefined
  #pause = FIRST_PAUSE
  #isHearing = false
  #hasWarned = false
  #isClosed = false

  constructor(options: NoticesOptions) {
    this.#options = options
  }

  /** Short until notices are known to come through. */
  get pollEvery(): number {
    return this.#isHearing ? POLL_HEARING : POLL_DEAF
  }

  watch(onNotice: Listener): () => void {
    const listener: Listener = (notice) => onNotice(notice)
    this.#listeners.add(listener)
    if (this.#listeners.size === 1) this.#start()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size === 0) void this.#stop()
    }
  }

  /** Where the server that it listens to may be another than the primary by now. */
  renew(): void {
    this.#line?.destroy()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#listeners.clear()
    await this.#stop()
  }

  async #stop(): Promise<void> {
    this.#cancelPause?.()
    this.#cancelPause = undefined
    const line = this.#line
    this.#line = undefined
    this.#isHearing = false
    if (line) await goodbye(line, this.#options.clock)
  }

  #start(): void {
    const inbox = new Inbox((notice) => this.#tell(notice))
    const line = this.#options.connect((payload) => inbox.take(payload))
    this.#line = line
    const session = this.#hear(line, inbox)
    void session.then((pause) => {
      line.destroy()
      if (this.#line !== line) return
      this.#line = undefined
      this.#isHearing = false
      this.#cancelPause = this.#options.clock.timer(pause, () => this.#start())
    })
  }

  /** Until the connection ends; resolves to ms until the next one. Never rejects. */
  async #hear(line: Line, inbox: Inbox): Promise<number> {
    const { clock, timeout, isAnswer } = this.#options
    const bounded = <T>(promise: Promise<T>): Promise<T> => within(clock, timeout, promise)
    try {
      await bounded(line.ready)
      await bounded(line.run({ sql: `listen ${CHANNEL}`, parameters: [] }))
      if (!(await this.#comesThrough(line, inbox))) return this.#deaf('none comes through')
      if (this.#line === line) {
        this.#isHearing = true
        this.#pause = FIRST_PAUSE
        this.#tell(undefined)
      }
      for (;;) {
        if (await this.#endsWithin(HEARTBEAT, line)) break
        await bounded(line.run({ sql: 'select 1', parameters: [] }))
      }
    } catch (error) {
      if (isAnswer(error)) return this.#deaf(messageOf(error))
    }
    const pause = this.#pause
    this.#pause = Math.min(2 * pause, LONGEST_PAUSE)
    return pause
  }

  /** False where a notice was sent and not heard, though the connection answers. */
  async #comesThrough(line: Line, inbox: Inbox): Promise<boolean> {
    const { clock, timeout, send } = this.#options
    const probe = `probe ${crypto.randomUUID()}`
    const heard = inbox.expect(probe).then(() => true)
    await send(probe)
    if (await within(clock, timeout, heard).catch(() => false)) return true
    await within(clock, timeout, line.run({ sql: 'select 1', parameters: [] }))
    return inbox.hasCome
  }

  #deaf(why: string): number {
    if (!this.#hasWarned && !this.#isClosed)
      this.#options.warn(
        `the store gets no notices by LISTEN (${why}), as behind a pooler that shares sessions: it looks each ` +
          `${POLL_DEAF} ms instead. A url that leads past the pooler lets all see a new token at once`,
      )
    this.#hasWarned = true
    return DEAF_PAUSE
  }

  #endsWithin(ms: number, line: Line): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.timer(ms, () => {
        forget()
        resolve(false)
      })
      const forget = line.onLost(() => {
        cancel()
        resolve(true)
      })
    })
  }

  #tell(notice: Notice | undefined): void {
    for (const listener of this.#listeners) listener(notice)
  }
}

/** What comes in on one connection: notices, and the probe that is waited for. */
class Inbox {
  readonly #onNotice: (notice: Notice) => void
  #expected: { readonly payload: string; readonly come: () => void } | undefined
  #hasCome = false

  constructor(onNotice: (notice: Notice) => void) {
    this.#onNotice = onNotice
  }

  /** Whether the expected one did. */
  get hasCome(): boolean {
    return this.#hasCome
  }

  expect(payload: string): Promise<void> {
    return new Promise((resolve) => (this.#expected = { payload, come: resolve }))
  }

  take(payload: string): void {
    if (payload === this.#expected?.payload) {
      this.#hasCome = true
      return this.#expected.come()
    }
    const notice = noticeIn(payload)
    if (notice) this.#onNotice(notice)
  }
}

/** The channel is open to all who may connect: what is no notice, as another node's probe, is passed over. */
function noticeIn(payload: string): Notice | undefined {
  if (!payload.startsWith('{')) return undefined
  let value: unknown
  try {
    value = JSON.parse(payload)
  } catch {
    return undefined
  }
  return isNotice(value) ? value : undefined
}

function isNotice(value: unknown): value is Notice {
  return (
    typeof value === 'object' &&
    value !== null &&
    'key' in value &&
    typeof value.key === 'string' &&
    'generation' in value &&
    Number.isSafeInteger(value.generation) &&
    'suspect' in value &&
    typeof value.suspect === 'boolean'
  )
}
