import type { MessagePort } from 'node:worker_threads'
import type { Alarm } from '../src/alarm.js'
import { assertNever, type Failure } from '../src/errors.js'
import {
  type AccountConfig,
  type Demand,
  isDemand,
  type RequestSide,
  type ToReader,
} from '../src/protocol.js'
import type { RefreshLoop } from './refresh-loop.js'

/** Answers whoever asked, by the number that it gave its demand. */
type Reply = (id: number, failure: Failure | undefined) => void

/**
 * One account's readers, and what they asked. The supervisor's thread is one; each reader in another thread has a port
 * of its own and numbers its demands by itself, so the loop knows them by a number of the desk's.
 */
export class Desk {
  readonly #account: AccountConfig
  readonly #requestSide: RequestSide
  readonly #loop: RefreshLoop
  readonly #alarm: Alarm
  readonly #supervisor: Reply
  readonly #readers = new Map<MessagePort, Reply>()
  readonly #asked = new Map<number, { readonly reply: Reply; readonly id: number }>()
  #lastNumber = 0

  constructor(
    account: AccountConfig,
    requestSide: RequestSide,
    loop: RefreshLoop,
    alarm: Alarm,
    supervisor: Reply,
  ) {
    this.#account = account
    this.#requestSide = requestSide
    this.#loop = loop
    this.#alarm = alarm
    this.#supervisor = supervisor
  }

  /** What the supervisor's readers ask, or who else is said. */
  ask(demand: Demand, reply: Reply = this.#supervisor): void {
    switch (demand.type) {
      case 'reject':
        return this.#loop.reject(this.#number(demand.id, reply), demand.generation)
      case 'refresh':
        return this.#loop.refresh({ id: this.#number(demand.id, reply), calls: demand.calls })
      case 'cancel':
        return this.#cancel((asked) => asked.reply === reply && asked.id === demand.id)
      case 'look':
        this.#alarm.check()
        return this.#loop.look()
      default:
        return assertNever(demand)
    }
  }

  /** A reader in another thread. By its port it can ask about this account only. */
  join(port: MessagePort): void {
    const reply: Reply = (id, failure) => say(port, { type: 'answer', id, failure })
    this.#readers.set(port, reply)
    port.on('message', (demand: unknown) => isDemand(demand) && this.ask(demand, reply))
    port.on('close', () => {
      this.#readers.delete(port)
      this.#cancel((asked) => asked.reply === reply)
    })
    const { id, endpoint, timeout, retry } = this.#account
    const account = { id, endpoint, timeout, retry }
    say(port, { type: 'joined', account, requestSide: this.#requestSide, state: this.#loop.state })
  }

  /** To the readers in other threads. */
  tell(message: ToReader): void {
    for (const port of this.#readers.keys()) say(port, message)
  }

  answer(number: number, failure: Failure | undefined): void {
    const asked = this.#asked.get(number)
    this.#asked.delete(number)
    asked?.reply(asked.id, failure)
  }

  /** Ends the loop. */
  close(): void {
    this.#loop.close()
  }

  /** The loop has ended: so have the readers' lines. */
  dismiss(): void {
    for (const port of this.#readers.keys()) port.close()
  }

  #number(id: number, reply: Reply): number {
    this.#lastNumber += 1
    this.#asked.set(this.#lastNumber, { reply, id })
    return this.#lastNumber
  }

  /** Whoever asked waits no more. */
  #cancel(which: (asked: { readonly reply: Reply; readonly id: number }) => boolean): void {
    for (const [number, asked] of this.#asked) {
      if (!which(asked)) continue
      this.#asked.delete(number)
      this.#loop.cancel(number)
    }
  }
}

function say(port: MessagePort, message: ToReader): void {
  port.postMessage(message)
}
