import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import type { Alarm } from './alarm.js'
import { type Cancel, instantNow, later } from './clock.js'
import type { Config } from './config.js'
import { assertNever, messageOf, TokenThreadError, withoutSecrets } from './errors.js'
import { Heartbeat } from './heartbeat.js'
import {
  type AccountState,
  type Addresses,
  type FromIntroducer,
  type FromRefresher,
  isFromRefresher,
  type LogRecord,
  type News,
  PROTOCOL_VERSION,
  type RequestSide,
  type ToRefresher,
} from './protocol.js'
import type { Runtime } from './runtime.js'
import type { Thread, ThreadEnd } from './thread.js'

/** What the supervisor tells. It may be called inside a read, so none of these may run foreign code. */
export interface SupervisorEvents {
  state(account: string, state: AccountState, news: News): void
  answer(account: string, id: number, failure: FailureOf<'answer'>): void
  /** A thread is there: what was asked of the last one and not answered must be asked again. */
  ready(): void
  log(record: LogRecord): void
  died(death: Death): void
}
type FailureOf<T> = Extract<FromRefresher, { type: T; failure: unknown }>['failure']

export interface Death {
  readonly reason: RestartReason
  readonly error: TokenThreadError
  /** Deaths since the last thread that was sound, this one among them. */
  readonly inARow: number
  /** Of these at the end, threads that never came so far as to be ready. */
  readonly unready: number
}

export type RestartReason = 'crashed' | 'exited' | 'out of memory' | 'hung' | 'another protocol'

/** ms */
const FIRST_RESTART_DELAY = 100
const LONGEST_RESTART_DELAY = 30_000
/** A worker file of another version does not mend itself. */
const OPERATOR_DELAY = 60_000
/** A thread that lived this long is sound: the next death is answered quickly again. */
const SOUND_AFTER = 60_000
/** How long a closing thread may take to leave by itself. */
const CLOSING_TIME = 1_000

/** Starts the thread, restarts a dead or hung one with what the last one knew, and closes it. */
export class Supervisor {
  readonly #config: Config
  readonly #runtime: Runtime
  readonly #alarm: Alarm
  readonly #events: SupervisorEvents
  readonly #heartbeat: Heartbeat
  readonly #states = new Map<string, AccountState>()
  /** Readers in other threads, and which account they read: by these ports they are given a line to each thread. */
  readonly #readers = new Map<MessagePort, string>()
  #addresses: Addresses = {}
  #requestSides: Readonly<Record<string, RequestSide>> = {}
  #incarnation = 0
  #thread: Thread | undefined
  #port: MessagePort | undefined
  #startedAt = 0
  #isReady = false
  /** Deaths in a row, of threads that were not sound yet. */
  #deaths = 0
  /** Deaths in a row, of threads that were not even ready. */
  #unready = 0
  /** Why we ended it ourselves. */
  #condemned: RestartReason | undefined
  #cancelRestart: Cancel | undefined
  #onClosed: (() => void) | undefined
  restarts = 0

  constructor(config: Config, runtime: Runtime, alarm: Alarm, events: SupervisorEvents) {
    this.#config = config
    this.#runtime = runtime
    this.#alarm = alarm
    this.#events = events
    this.#heartbeat = new Heartbeat(runtime.clock, alarm, runtime.heartbeat, {
      ask: () => this.#post({ type: 'ping' }),
      drain: () => this.drain(),
      silent: () => this.#condemn('hung'),
    })
  }

  start(): void {
    const { clock, spawn } = this.#runtime
    this.#incarnation += 1
    this.#startedAt = clock.monotonic()
    this.#isReady = false
    this.#condemned = undefined
    const incarnation = this.#incarnation
    const start = {
      type: 'token-thread',
      protocol: PROTOCOL_VERSION,
      incarnation,
      accounts: this.#config.accounts.map((config) => ({ config, state: this.#states.get(config.id) })),
      store: this.#config.store,
      addresses: this.#addresses,
    } as const
    this.#thread = spawn(start, this.#config.workerUrl, (end) => this.#onExit(end))
    const { port } = this.#thread
    this.#port = port
    port.on('message', (message: unknown) => this.#receive(message))
    // After on('message'), which references the port: it must not keep the process alive.
    port.unref()
    for (const [reader, account] of this.#readers) this.#connect(reader, account)
    this.#heartbeat.start()
  }

  /** A reader in another thread: it gets a line of its own to the thread, and to each that comes after. */
  introduce(account: string, reader: MessagePort): void {
    if (this.#onClosed) return farewell(reader)
    this.#readers.set(reader, account)
    reader.on('close', () => this.#readers.delete(reader))
    // What comes by this port is nobody's: it would keep the port's end from being noticed.
    reader.on('message', () => undefined)
    reader.unref()
    if (this.#port) this.#connect(reader, account)
  }

  /** Takes in what has been posted, also while the event loop is blocked. */
  drain(): void {
    const port = this.#port
    if (!port) return
    for (let got = receiveMessageOnPort(port); got; got = receiveMessageOnPort(port))
      this.#receive(got.message)
  }

  /** To a thread that is ready. Before that nothing is sent: at `ready` all that is pending is, and once. */
  send(message: ToRefresher): void {
    if (this.#isReady) this.#post(message)
  }

  /** How requests carry the account's token, as the provider said. */
  requestSide(account: string): RequestSide | undefined {
    return this.#requestSides[account]
  }

  /** Resolves when the thread has exited. */
  close(): Promise<void> {
    this.#heartbeat.stop()
    this.#cancelRestart?.()
    for (const reader of this.#readers.keys()) farewell(reader)
    return new Promise((resolve) => {
      if (!this.#thread) return resolve()
      this.#post({ type: 'close' })
      const thread = this.#thread
      const release = this.#runtime.clock.hold()
      const cancel = this.#runtime.clock.timer(CLOSING_TIME, () => thread.terminate())
      this.#onClosed = () => {
        cancel()
        release()
        resolve()
      }
    })
  }

  #receive(message: unknown): void {
    if (!isFromRefresher(message) || message.incarnation !== this.#incarnation) return
    this.#heartbeat.heard()
    switch (message.type) {
      case 'hello':
        if (message.protocol !== PROTOCOL_VERSION) this.#condemn('another protocol')
        return
      case 'ready':
        this.#isReady = true
        this.#requestSides = message.requestSides
        return this.#events.ready()
      case 'state':
        this.#states.set(message.account, message.state)
        return this.#events.state(message.account, message.state, message.news)
      case 'answer':
        return this.#events.answer(message.account, message.id, message.failure)
      case 'addresses':
        this.#addresses = message.addresses
        return
      case 'log':
        return this.#events.log(message.record)
      case 'pong':
        return
      default:
        return assertNever(message)
    }
  }

  /** Not only to a thread that is ready: what waits in its port is taken then. */
  #connect(reader: MessagePort, account: string): void {
    const { port1, port2 } = new MessageChannel()
    this.#port?.postMessage({ type: 'join', account, port: port1 } satisfies ToRefresher, [port1])
    reader.postMessage({ type: 'line', port: port2 } satisfies FromIntroducer, [port2])
  }

  #post(message: ToRefresher): void {
    this.#port?.postMessage(message)
  }

  #condemn(reason: RestartReason): void {
    this.#condemned ??= reason
    this.#thread?.terminate()
  }

  /** The thread has exited: only now may the next one fetch. */
  #onExit(end: ThreadEnd): void {
    // What it posted last counts.
    this.drain()
    this.#port?.close()
    this.#port = undefined
    this.#thread = undefined
    this.#heartbeat.stop()
    if (this.#onClosed) return this.#onClosed()
    this.#died(this.#condemned ?? reasonOf(end), end)
  }

  #restart(): void {
    try {
      this.start()
    } catch (error) {
      // The system refuses a thread: as one that dies at once.
      this.#died('crashed', { exitCode: 1, error })
    }
  }

  #died(reason: RestartReason, end: ThreadEnd): void {
    const { clock, random } = this.#runtime
    const worked = this.#isReady
    this.#isReady = false
    this.restarts += 1
    this.#unready = worked ? 0 : this.#unready + 1
    this.#deaths = clock.monotonic() - this.#startedAt >= SOUND_AFTER ? 1 : this.#deaths + 1
    const ceiling = Math.min(LONGEST_RESTART_DELAY, FIRST_RESTART_DELAY * 2 ** Math.min(this.#deaths, 20))
    const delay =
      reason === 'another protocol' ? OPERATOR_DELAY : Math.max(FIRST_RESTART_DELAY, random() * ceiling)
    const at = later(instantNow(clock), delay)
    this.#cancelRestart = this.#alarm.set(at, () => this.#restart())
    const error = this.#deathOf(reason, end, worked)
    this.#events.died({ reason, error, inARow: this.#deaths, unready: this.#unready })
  }

  #deathOf(reason: RestartReason, { exitCode, error }: ThreadEnd, worked: boolean): TokenThreadError {
    if (reason === 'another protocol') {
      const message =
        'the worker file is of another version of token-thread: bundle it again, or correct workerUrl'
      return new TokenThreadError({ code: 'ERR_PROTOCOL', message, retryable: false })
    }
    // An error thrown in there may say anything: it is quoted without secrets and not handed on itself.
    const secrets = this.#config.accounts.map(({ appSecret }) => appSecret)
    const what = error === undefined ? `exit code ${exitCode}` : withoutSecrets(messageOf(error), secrets)
    const hint = worked ? '' : '; a bundled server must point workerUrl at its copy of token-thread/worker'
    return new TokenThreadError({
      code: 'ERR_THREAD',
      message: `the thread ${reason}: ${what}${hint}`,
      retryable: true,
    })
  }
}

function farewell(reader: MessagePort): void {
  reader.postMessage({ type: 'closed' } satisfies FromIntroducer)
  reader.close()
}

function reasonOf({ error }: ThreadEnd): RestartReason {
  if (error === undefined) return 'exited'
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'out of memory' : 'crashed'
}
