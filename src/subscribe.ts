import { EventEmitter } from 'node:events'
import { inspect } from 'node:util'
import { isMainThread, MessagePort, postMessageToThread } from 'node:worker_threads'
import { Alarm } from './alarm.js'
import { type Cancel, type Clock, systemClock } from './clock.js'
import { closedError, kindOf, optionError } from './errors.js'
import { askHere, hasHosts } from './introductions.js'
import { LaterTurn } from './later-turn.js'
import type { AccountState, Demand, RequestSide } from './protocol.js'
import { onAbort } from './on-abort.js'
import { ReaderLine, type SendAsk } from './reader-line.js'
import type { ReadyOptions, RefreshOptions, TokenReader, TokenSourceEvents } from './reader.js'
import type { AccountStatus } from './status.js'
import type { Token } from './token.js'
import { TokenSource } from './token-source.js'
import { check, fieldsOf } from './validate.js'
import { reasonOf } from './waiters.js'

export interface SubscribeOptions {
  /** The account's id. Default: the only one of the process, or the one the port was made for. */
  account?: string | undefined
  /** A port of `tokens.port()`, for one subscription: leads to that TokenThread, whichever thread it is in. Default: those of the main thread. */
  port?: MessagePort | undefined
  /** Aborting it ends the waiting, and later the subscription: whoever waits then is rejected with its reason. */
  signal?: AbortSignal | undefined
}

/** ms; how long a TokenThread that holds the account may be in coming. */
const PATIENCE = 30_000
/** Node numbers threads from the main one. */
const MAIN_THREAD = 0

/**
 * The tokens of a TokenThread of this process, in any thread: held in this thread's memory and sent by the refresher
 * itself, so that a blocked main thread delays nothing. Resolves with the current token in hand, or when the first token
 * call has failed; a TokenThread that is started later is found too.
 * Rejects with `ERR_OPTIONS` (several accounts and none named; two TokenThreads that hold it: hand a port over),
 * `ERR_START_TIMEOUT` after 30 s without such an account, `ERR_CLOSED`, `ERR_PROTOCOL`, the signal's reason.
 */
export async function subscribeTokens(
  options: SubscribeOptions = {},
  clock: Clock = systemClock,
): Promise<TokenSubscription> {
  const fields = fieldsOf(options, 'subscribeTokens.', ['account', 'port', 'signal'])
  const account = check.text(fields.account, 'account')
  const port = portIn(fields.port)
  const signal = check.signal(fields.signal, 'signal')
  signal?.throwIfAborted()
  const subscription = new TokenSubscription(account, port, signal, clock)
  await subscription.joined
  return subscription
}

/** One account's token in this thread, from a TokenThread of another one: made by `subscribeTokens`. */
export class TokenSubscription extends EventEmitter<TokenSourceEvents> implements TokenReader {
  /** @internal Settles once: there is a token, or the first failure, or it can't join. */
  readonly joined: Promise<void>
  readonly #clock: Clock
  readonly #alarm: Alarm
  readonly #later = new LaterTurn()
  readonly #line: ReaderLine
  readonly #ignoreSignal: Cancel | undefined
  #source: TokenSource | undefined
  #requestSide: RequestSide | undefined
  #cancelPatience: Cancel = () => undefined
  #settle: ((failed?: { readonly reason: unknown }) => void) | undefined

  /** @internal */
  constructor(
    account: string | undefined,
    port: MessagePort | undefined,
    signal: AbortSignal | undefined,
    clock: Clock,
  ) {
    super()
    this.#clock = clock
    this.#alarm = new Alarm(clock)
    this.joined = new Promise((resolve, reject) => {
      const release = clock.hold()
      this.#cancelPatience = clock.timer(PATIENCE, () => this.#end(this.#line.whyNot(PATIENCE)))
      this.#settle = (failed) => {
        this.#settle = undefined
        this.#cancelPatience()
        release()
        if (failed) reject(failed.reason)
        else resolve()
      }
    })
    if (port) usedPorts.add(port)
    this.#ignoreSignal = signal && onAbort(signal, () => this.#end(reasonOf(signal)))
    this.#line = new ReaderLine(clock, account, port ?? (isMainThread || hasHosts() ? here : askMain), {
      joined: ({ account, requestSide, state }) => {
        this.#requestSide = requestSide
        const source = (this.#source ??= this.#newSource(account))
        source.update(state, 'none')
        source.reconnected()
        this.#cancelPatience()
        this.#settleBy(state)
      },
      state: ({ state, news }) => {
        this.#source?.update(state, news)
        this.#settleBy(state)
      },
      answer: ({ id, failure }) => this.#source?.answered(id, failure),
      ended: (error) => this.#end(error),
    })
  }

  /** The account's id. */
  get id(): string {
    return this.#joinedSource.id
  }

  get(): string {
    return this.#joinedSource.get()
  }

  get current(): Token | undefined {
    return this.#joinedSource.current
  }

  ready(options?: ReadyOptions): Promise<Token> {
    return this.#joinedSource.ready(options)
  }

  reject(badToken: string): Promise<Token> {
    return this.#joinedSource.reject(badToken)
  }

  refresh(options?: RefreshOptions): Promise<Token> {
    return this.#joinedSource.refresh(options)
  }

  status(): AccountStatus {
    return this.#joinedSource.status()
  }

  get requestSide(): RequestSide | undefined {
    return this.#requestSide
  }

  /** Leaves: reads throw `ERR_CLOSED` from now on. The TokenThread and its other readers go on. Idempotent. */
  close(): void {
    this.#end(closedError('the subscription was closed'))
  }

  [Symbol.dispose](): void {
    this.close()
  }

  [inspect.custom](): string {
    return `TokenSubscription { ${this.#source ? inspect(this.#source) : 'not joined'} }`
  }

  get #joinedSource(): TokenSource {
    if (!this.#source) throw closedError('the subscription never came about')
    return this.#source
  }

  /** A TokenThread that has just started is about to have its first token: a handler's first task should find it. */
  #settleBy({ token, failures }: AccountState): void {
    if (token !== undefined || failures > 0) this.#settle?.()
  }

  #newSource(account: ConstructorParameters<typeof TokenSource>[0]): TokenSource {
    const source = new TokenSource(account, {
      clock: this.#clock,
      alarm: this.#alarm,
      later: this.#later,
      drain: () => this.#line.drain(),
      send: (demand: Demand) => this.#line.send(demand),
      requestSide: () => this.#requestSide,
      threadError: () => undefined,
    })
    source.on('token', (token, id) => this.emit('token', token, id))
    source.on('failure', (error, id) => this.emit('failure', error, id))
    source.on('expired', (id) => this.emit('expired', id))
    return source
  }

  #end(reason: unknown): void {
    this.#ignoreSignal?.()
    this.#line.close()
    this.#source?.close(reason)
    this.#settle?.({ reason })
  }
}

/** In a thread that has TokenThreads of its own a reader is theirs; any other asks the main thread. */
const here: SendAsk = (ask, port) => {
  askHere(ask, port)
  return Promise.resolve()
}

/**
 * Node delivers it to the main thread and to no other, and the answer comes by the port that went along: other code
 * would have to be the main thread's own to put a token in.
 */
const askMain: SendAsk = (ask, port) => postMessageToThread(MAIN_THREAD, { ...ask, port }, [port])

/** Ports that have their one subscription; of two, each would take the other's messages. */
const usedPorts = new WeakSet<MessagePort>()

function portIn(value: unknown): MessagePort | undefined {
  if (value === undefined) return undefined
  if (value instanceof MessagePort && !usedPorts.has(value)) return value
  if (value instanceof MessagePort)
    throw optionError('port has a subscription already: make one for each by tokens.port()')
  throw optionError(`port must be a MessagePort made by tokens.port() and transferred, not ${kindOf(value)}`)
}
