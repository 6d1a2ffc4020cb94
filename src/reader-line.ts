import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import type { Cancel, Clock } from './clock.js'
import { assertNever, closedError, errorOf, type TokenThreadError } from './errors.js'
import { type Ask, type Demand, isToReader, PROTOCOL_VERSION, type ToReader } from './protocol.js'

/** Sends an ask, with its port, to where TokenThreads are. Rejects where nobody is there to hear it. */
export type SendAsk = (ask: Ask) => Promise<void>

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

/** ms; between two asks while there is nobody, or not yet, to introduce us. */
const FIRST_PAUSE = 20
const LONGEST_PAUSE = 500

/**
 * A reader's own line to the refresher, straight: the thread of the TokenThread only introduces the two. When the
 * refresher dies its end closes, and the reader asks to be introduced to the next one.
 */
export class ReaderLine {
  readonly #clock: Clock
  readonly #send: SendAsk
  readonly #account: string | undefined
  readonly #events: ReaderLineEvents
  #port: MessagePort | undefined
  #isJoined = false
  /** The TokenThread that it belongs to: it must not join another one that has the same id. */
  #thread: string | undefined
  #pause = FIRST_PAUSE
  #cancelPause: Cancel | undefined
  #isOver = false
  /** The accounts that there are, as was said last. */
  ids: readonly string[] = []

  constructor(clock: Clock, send: SendAsk, account: string | undefined, events: ReaderLineEvents) {
    this.#clock = clock
    this.#send = send
    this.#account = account
    this.#events = events
    this.#ask()
  }

  /** To a refresher that is there. Before that nothing is sent: once joined, all that is pending is. */
  send(message: Demand): void {
    if (this.#isJoined) this.#port?.postMessage(message)
  }

  drain(): void {
    const port = this.#port
    if (!port) return
    for (let got = receiveMessageOnPort(port); got; got = receiveMessageOnPort(port)) {
      this.#receive(port, got.message)
    }
  }

  close(): void {
    this.#isOver = true
    this.#cancelPause?.()
    this.#port?.close()
    this.#port = undefined
    this.#isJoined = false
  }

  #ask(): void {
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    port1.on('message', (message: unknown) => this.#receive(port1, message))
    port1.on('close', () => this.#lost(port1))
    // After on('message'), which references the port: it must not keep the thread alive.
    port1.unref()
    const ask: Ask = {
      type: 'token-thread:subscribe',
      protocol: PROTOCOL_VERSION,
      account: this.#account,
      thread: this.#thread,
      port: port2,
    }
    this.#send(ask).catch(() => {
      if (this.#port !== port1) return
      // Nobody is there. Where somebody was, the TokenThread has been closed.
      if (this.#thread !== undefined) return this.#end(closedError())
      port1.close()
    })
  }

  #receive(port: MessagePort, message: unknown): void {
    if (this.#isOver || port !== this.#port || !isToReader(message)) return
    switch (message.type) {
      case 'introduced':
        this.#thread = message.thread
        return
      case 'absent':
        this.ids = message.ids
        return
      case 'refused':
        return this.#end(errorOf(message.failure))
      case 'joined':
        this.#isJoined = true
        this.#pause = FIRST_PAUSE
        return this.#events.joined(message)
      case 'state':
        return this.#events.state(message)
      case 'answer':
        return this.#events.answer(message)
      case 'closed':
        return this.#end(closedError())
      default:
        return assertNever(message)
    }
  }

  /** Its other end is gone: a thread died, or there is no account yet. */
  #lost(port: MessagePort): void {
    if (this.#isOver || port !== this.#port) return
    this.#port = undefined
    this.#isJoined = false
    this.#cancelPause = this.#clock.timer(this.#pause, () => this.#ask())
    this.#pause = Math.min(LONGEST_PAUSE, this.#pause * 2)
  }

  #end(error: TokenThreadError): void {
    this.close()
    this.#events.ended(error)
  }
}
