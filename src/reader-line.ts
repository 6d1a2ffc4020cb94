import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import type { Cancel, Clock } from './clock.js'
import { assertNever, closedError, errorOf, optionError, TokenThreadError } from './errors.js'
import { ambiguous } from './introductions.js'
import {
  type Ask,
  type Demand,
  isFromIntroducer,
  isToReader,
  PROTOCOL_VERSION,
  type ToReader,
} from './protocol.js'

/** Sends an ask and its port to where TokenThreads may be. It settles when all who hear of it have had their turn. */
export type SendAsk = (ask: Ask, port: MessagePort) => Promise<void>

type Joined = Extract<ToReader, { type: 'joined' }>
type State = Extract<ToReader, { type: 'state' }>
type Answer = Extract<ToReader, { type: 'answer' }>

/** What the line tells; it may be called inside a read. */
export interface ReaderLineEvents {
  /** There is a line to a refresher: the first, or another after a restart. */
  joined(message: Joined): void
  state(message: State): void
  answer(message: Answer): void
  /** It is over: closed, or refused. */
  ended(error: TokenThreadError): void
}

/** ms; between two asks while nobody holds the account. */
const FIRST_PAUSE = 20
const LONGEST_PAUSE = 500

/**
 * A reader's own line to the refresher, straight. The thread of the TokenThread introduces the two and has no part in
 * what they say; when another refresher takes over, it hands the next line in. A read takes that in, too: a thread that
 * is parked between its tasks has no turn in which it would hear of it.
 */
export class ReaderLine {
  readonly #clock: Clock
  readonly #account: string | undefined
  readonly #events: ReaderLineEvents
  /** To the thread of the TokenThread. */
  #introducer: MessagePort | undefined
  /** To the refresher. */
  #line: MessagePort | undefined
  #isJoined = false
  /** The account that we were introduced to. */
  #id: string | undefined
  #pause = FIRST_PAUSE
  #cancelPause: Cancel | undefined
  #isOver = false
  #isHeard = false
  readonly #isHanded: boolean
  #ids: readonly string[] = []
  #protocols: readonly number[] = []

  /** `ask`: how TokenThreads are asked, or a port that leads to one. */
  constructor(
    clock: Clock,
    account: string | undefined,
    ask: SendAsk | MessagePort,
    events: ReaderLineEvents,
  ) {
    this.#clock = clock
    this.#account = account
    this.#events = events
    this.#isHanded = typeof ask !== 'function'
    if (typeof ask === 'function') this.#search(ask)
    else {
      this.#listenTo(
        ask,
        'the port was closed: its TokenThread is, or the port was used or transferred before',
      )
      ask.postMessage(this.#question())
    }
  }

  /** To a refresher that is there. Before that nothing is sent: once joined, all that is pending is. */
  send(message: Demand): void {
    if (this.#isJoined) this.#line?.postMessage(message)
  }

  drain(): void {
    // First what the old line still held, then the new one.
    this.#drainLine()
    const introducer = this.#introducer
    if (introducer) each(introducer, (message) => this.#introduced(introducer, message))
    this.#drainLine()
  }

  close(): void {
    this.#isOver = true
    this.#cancelPause?.()
    this.#dropLine()
    this.#introducer?.close()
    this.#introducer = undefined
  }

  /** Why there is no line after `ms`. */
  whyNot(ms: number): TokenThreadError {
    const which = this.#account === undefined ? 'any account' : `account ${this.#account}`
    const failed = (code: 'ERR_THREAD' | 'ERR_START_TIMEOUT', message: string): TokenThreadError =>
      new TokenThreadError({ code, message, retryable: true })
    if (this.#id !== undefined) {
      return failed(
        'ERR_THREAD',
        `the TokenThread that holds ${which} is there, but its thread did not answer within ${ms} ms: see its log`,
      )
    }
    if (this.#isHanded) {
      return failed(
        'ERR_START_TIMEOUT',
        `nobody answered by the port within ${ms} ms: was it made by tokens.port()?`,
      )
    }
    const why = !this.#isHeard
      ? 'the main thread did not answer, it may be blocked'
      : this.#ids.length > 0
        ? `the ids are ${this.#ids.join(', ')}`
        : 'start one there; one in another thread must hand a port over: subscribeTokens({ port })'
    return failed(
      'ERR_START_TIMEOUT',
      `no TokenThread of the main thread was found to hold ${which} within ${ms} ms: ${why}`,
    )
  }

  get #isOtherVersion(): boolean {
    return this.#protocols.length > 0 && !this.#protocols.includes(PROTOCOL_VERSION)
  }

  /** The one TokenThread that the port leads to has no such account, and will not have it. */
  #whyNobody(): TokenThreadError {
    if (this.#isOtherVersion) return otherVersion()
    return optionError(`there is no account ${this.#account ?? ''}: the ids are ${this.#ids.join(', ')}`)
  }

  #question(): Ask {
    return { type: 'token-thread:subscribe', protocol: PROTOCOL_VERSION, account: this.#account }
  }

  /** Asks until somebody introduces us: the TokenThread may start later than this thread. */
  #search(ask: SendAsk): void {
    const { port1, port2 } = new MessageChannel()
    this.#listenTo(port1, 'the TokenThread was closed')
    const looked = (isHeard: boolean): void => {
      if (this.#isOver || this.#introducer !== port1) return
      this.#isHeard ||= isHeard
      this.#ids = []
      this.#protocols = []
      // All who could answer have answered, though there may be a listener of other code that is none of ours.
      this.drain()
      if (this.#hasEnded() || this.#id !== undefined) return
      if (this.#isOtherVersion) return this.#end(otherVersion())
      this.#introducer = undefined
      port1.close()
      this.#cancelPause = this.#clock.timer(this.#pause, () => this.#search(ask))
      this.#pause = Math.min(LONGEST_PAUSE, this.#pause * 2)
    }
    ask(this.#question(), port2).then(
      () => looked(true),
      () => looked(false),
    )
  }

  #listenTo(introducer: MessagePort, whenClosed: string): void {
    this.#introducer = introducer
    introducer.on('message', (message: unknown) => this.#introduced(introducer, message))
    introducer.on('close', () => {
      if (this.#introducer === introducer) this.#end(closedError(whenClosed))
    })
    // After on('message'), which references the port: it must not keep the thread alive.
    introducer.unref()
  }

  #introduced(from: MessagePort, message: unknown): void {
    if (this.#isOver || from !== this.#introducer || !isFromIntroducer(message)) return
    switch (message.type) {
      case 'introduced':
        // Two copies of the library in that thread may each have one.
        if (this.#id !== undefined) return this.#end(ambiguous([this.#id, message.id]))
        this.#id = message.id
        return
      case 'nobody':
        this.#ids = [...this.#ids, ...message.ids]
        this.#protocols = [...this.#protocols, message.protocol]
        if (this.#isHanded) this.#end(this.#whyNobody())
        return
      case 'refused':
        return this.#end(errorOf(message.failure))
      case 'line':
        return this.#takeLine(message.port)
      case 'closed':
        return this.#end(closedError())
      default:
        return assertNever(message)
    }
  }

  /** From now on this is the line; whatever the last refresher did not answer is asked again. */
  #takeLine(line: MessagePort): void {
    this.#drainLine()
    this.#dropLine()
    this.#line = line
    line.on('message', (message: unknown) => this.#receive(line, message))
    line.unref()
  }

  #dropLine(): void {
    this.#line?.close()
    this.#line = undefined
    this.#isJoined = false
  }

  #drainLine(): void {
    const line = this.#line
    if (line) each(line, (message) => this.#receive(line, message))
  }

  #receive(from: MessagePort, message: unknown): void {
    if (this.#isOver || from !== this.#line || !isToReader(message)) return
    switch (message.type) {
      case 'joined':
        this.#isJoined = true
        return this.#events.joined(message)
      case 'state':
        return this.#events.state(message)
      case 'answer':
        return this.#events.answer(message)
      default:
        return assertNever(message)
    }
  }

  /** A method, because its callers have looked before it changed. */
  #hasEnded(): boolean {
    return this.#isOver
  }

  #end(error: TokenThreadError): void {
    if (this.#isOver) return
    this.close()
    this.#events.ended(error)
  }
}

function each(port: MessagePort, take: (message: unknown) => void): void {
  for (let got = receiveMessageOnPort(port); got; got = receiveMessageOnPort(port)) take(got.message)
}

function otherVersion(): TokenThreadError {
  const message =
    'the TokenThread and this thread use different versions of token-thread: install one, and bundle both anew'
  return new TokenThreadError({ code: 'ERR_PROTOCOL', message, retryable: false })
}
