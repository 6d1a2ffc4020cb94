import { EventEmitter } from 'node:events'
import { inspect } from 'node:util'
import type { MessagePort } from 'node:worker_threads'
import { Alarm } from './alarm.js'
import { type Cancel, instantNow, later } from './clock.js'
import { type Config, readConfig } from './config.js'
import { closedError, optionError, type TokenThreadError } from './errors.js'
import { type Host, portTo, receiveReaders } from './introductions.js'
import { LaterTurn } from './later-turn.js'
import { logTo, type WriteLog } from './logger.js'
import { joinNeighbours } from './neighbours.js'
import type { TokenThreadOptions } from './options.js'
import type { Demand, RequestSide } from './protocol.js'
import type { ReadyOptions, RefreshOptions, TokenReader, TokenSourceEvents } from './reader.js'
import { Repeats } from './repeats.js'
import { type Runtime, systemRuntime } from './runtime.js'
import { Startup } from './startup.js'
import { type ThreadStatus, threadStatus } from './status.js'
import { type Death, type RestartReason, Supervisor } from './supervisor.js'
import type { Token } from './token.js'
import { TokenSource } from './token-source.js'

export interface TokenThreadEvents extends TokenSourceEvents {
  /** The thread died or hung; another one starts and goes on with what it knew. */
  restart: [{ readonly reason: RestartReason; readonly restarts: number }]
}

/** Of a thread that never became ready, in a row; then `start` gives up. */
const DEATHS_BEFORE_READY = 3

/**
 * Keeps API access tokens always valid: a worker thread refreshes them ahead of expiry for ever, this thread reads
 * them synchronously. A forgotten TokenThread never keeps the process alive.
 */
export class TokenThread extends EventEmitter<TokenThreadEvents> implements TokenReader {
  readonly #config: Config
  readonly #runtime: Runtime
  readonly #alarm: Alarm
  readonly #later = new LaterTurn()
  readonly #log: WriteLog
  readonly #sources = new Map<string, TokenSource>()
  /** The source of the only account. */
  readonly #only: TokenSource | undefined
  readonly #supervisor: Supervisor
  readonly #leaveNeighbours: () => void
  readonly #host: Host
  readonly #dismissReaders: () => void
  readonly #handedPorts = new Set<() => void>()
  readonly #deaths: Repeats
  #startup: Startup | undefined
  #threadError: TokenThreadError | undefined
  #closing: Promise<void> | undefined

  /**
   * Starts a thread and resolves with the first token in hand (of several accounts: when each has settled).
   * Rejects, leaving no thread behind: `ERR_OPTIONS`; `ERR_ISSUER_REFUSED` on an answer that only an operator can mend;
   * `ERR_START_TIMEOUT`; `ERR_THREAD` or `ERR_PROTOCOL` where the thread can't run; the signal's reason.
   */
  static async start(
    options: TokenThreadOptions = {},
    runtime: Runtime = systemRuntime,
  ): Promise<TokenThread> {
    const tokens = new TokenThread(options, runtime)
    try {
      await tokens.#started()
    } catch (error) {
      await tokens.close()
      throw error
    }
    return tokens
  }

  /**
   * Starts a thread and returns at once; `ready()` waits for the first token.
   * @throws TokenThreadError `ERR_OPTIONS`; or the reason of a `signal` that is aborted already: nothing is started then
   */
  constructor(options: TokenThreadOptions = {}, runtime: Runtime = systemRuntime) {
    super()
    this.#config = readConfig(options, process.env)
    this.#config.signal?.throwIfAborted()
    this.#runtime = runtime
    this.#log = logTo(this.#config.logger)
    this.#alarm = new Alarm(runtime.clock)
    this.#deaths = new Repeats(runtime.clock)
    const { accounts, store, signal } = this.#config
    const link = {
      clock: runtime.clock,
      alarm: this.#alarm,
      later: this.#later,
      drain: () => this.#supervisor.drain(),
      send: (message: Demand) => this.#supervisor.send(message),
      requestSide: (id: string) => this.#supervisor.requestSide(id),
      threadError: () => this.#threadError,
    }
    for (const account of accounts) {
      const source = new TokenSource(account, link)
      source.on('token', (token, id) => this.emit('token', token, id))
      source.on('failure', (error, id) => this.emit('failure', error, id))
      source.on('expired', (id) => this.emit('expired', id))
      this.#sources.set(account.id, source)
    }
    this.#only = accounts.length === 1 ? this.#sources.get(accounts[0].id) : undefined
    this.#supervisor = new Supervisor(this.#config, runtime, this.#alarm, {
      state: (id, state, news) => {
        this.#sources.get(id)?.update(state, news)
        this.#startup?.heard(id, state)
      },
      answer: (id, request, failure) => this.#sources.get(id)?.answered(request, failure),
      ready: () => {
        this.#threadError = undefined
        for (const source of this.#sources.values()) source.reconnected()
      },
      log: (record) => this.#later.push(() => this.#log(record)),
      died: (death) => this.#onDeath(death),
    })
    this.#supervisor.start()
    this.#host = {
      ids: accounts.map(({ id }) => id),
      introduce: (id, port) => this.#supervisor.introduce(id, port),
    }
    this.#dismissReaders = receiveReaders(this.#host)
    // Those who share a store share their tokens.
    const { warnings, leave } = joinNeighbours(store.kind === 'memory' ? accounts : [], process.env)
    this.#leaveNeighbours = leave
    for (const { account, message } of warnings) this.#log({ level: 'warn', fields: { account }, message })
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  get(): string {
    return this.#sole('get').get()
  }

  get current(): Token | undefined {
    return this.#sole('current').current
  }

  async ready(options?: ReadyOptions): Promise<Token> {
    return this.#sole('ready').ready(options)
  }

  reject(badToken: string): Promise<Token> {
    return this.#sole('reject').reject(badToken)
  }

  async refresh(options?: RefreshOptions): Promise<Token> {
    return this.#sole('refresh').refresh(options)
  }

  get requestSide(): RequestSide | undefined {
    return this.#sole('requestSide').requestSide
  }

  status(): ThreadStatus {
    const accounts = Object.fromEntries([...this.#sources].map(([id, source]) => [id, source.status()]))
    return threadStatus(accounts, this.#supervisor.restarts)
  }

  /**
   * The reading face of one account.
   * @throws TokenThreadError `ERR_OPTIONS` where there is none of this id
   */
  account(id: string): TokenSource {
    const source = this.#sources.get(id)
    if (!source) throw optionError(`there is no account ${id}: the ids are ${this.#ids()}`)
    return source
  }

  /**
   * A port to hand over to one other thread, for `subscribeTokens({ port })` there: transfer it (`transferList`). Where
   * discovery by name is not wanted, several TokenThreads hold the same id, or this one is not in the main thread.
   * `account`: which account the other thread reads unless it says so itself. Default: the only one.
   * @throws TokenThreadError `ERR_OPTIONS` where there is none of this id; `ERR_CLOSED`
   */
  port(account?: string): MessagePort {
    if (this.#closing) throw closedError()
    if (account !== undefined) this.account(account)
    const { port, close } = portTo(this.#host, account, () => this.#handedPorts.delete(close))
    this.#handedPorts.add(close)
    return port
  }

  /**
   * Stops the thread; resolves when it has exited. A call in flight is aborted, so close after the server has drained.
   * Idempotent.
   */
  close(): Promise<void> {
    return this.#close(closedError())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  [inspect.custom](): string {
    return `TokenThread { accounts: ${this.#ids()}, state: '${this.status().state}', restarts: ${this.#supervisor.restarts} }`
  }

  readonly #onAbort = (): void => {
    void this.#close(this.#config.signal?.reason)
  }

  #close(reason: unknown): Promise<void> {
    this.#closing ??= this.#closeOnce(reason)
    return this.#closing
  }

  async #closeOnce(reason: unknown): Promise<void> {
    this.#config.signal?.removeEventListener('abort', this.#onAbort)
    this.#leaveNeighbours()
    this.#dismissReaders()
    for (const source of this.#sources.values()) source.close(reason)
    await this.#supervisor.close()
    for (const closePort of this.#handedPorts) closePort()
    this.#later.flush()
  }

  async #started(): Promise<void> {
    const { clock } = this.#runtime
    const { accounts, startTimeout, signal } = this.#config
    const release = clock.hold()
    let cancelTimeout: Cancel | undefined
    let onAbort: (() => void) | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        const startup = new Startup(
          accounts.map(({ id }) => id),
          clock,
          (error) => (error ? reject(error) : resolve()),
        )
        this.#startup = startup
        onAbort = () => reject(signal?.reason)
        signal?.addEventListener('abort', onAbort, { once: true })
        cancelTimeout = this.#alarm.set(later(instantNow(clock), startTimeout), () => {
          this.#supervisor.drain()
          startup.timedOut(startTimeout, this.#threadError)
        })
      })
    } finally {
      this.#startup = undefined
      cancelTimeout?.()
      if (onAbort) signal?.removeEventListener('abort', onAbort)
      release()
    }
  }

  #onDeath({ reason, error, inARow, unready }: Death): void {
    this.#threadError = error
    const { restarts } = this.#supervisor
    // One death may pass; a thread that never comes to work does not mend itself.
    if (!error.retryable || unready >= DEATHS_BEFORE_READY) this.#startup?.failed(error)
    if (inARow === 1) this.#deaths.over()
    const repeated = this.#deaths.tell(`${reason} ${error.message}`)
    if (repeated !== undefined) {
      const fields = { code: error.code, reason, restarts, ...(repeated > 0 && { repeated }) }
      const message = `${error.message}; it is started again`
      this.#later.push(() => this.#log({ level: unready > 0 ? 'error' : 'warn', fields, message }))
    }
    this.#later.push(() => this.emit('restart', { reason, restarts }))
  }

  #sole(what: string): TokenSource {
    if (this.#only) return this.#only
    throw optionError(`there are several accounts, so call account(id).${what}: the ids are ${this.#ids()}`)
  }

  #ids(): string {
    return [...this.#sources.keys()].join(', ')
  }
}
