import type { Alarm } from './alarm.js'
import { type Clock, instantNow, later } from './clock.js'
import { errorOf, type Failure } from './errors.js'
import { onAbort } from './on-abort.js'
import type { Demand } from './protocol.js'
import { reasonOf } from './waiters.js'

type Question = Extract<Demand, { type: 'reject' | 'refresh' }>

interface Request {
  readonly message: Question
  readonly succeed: () => void
  readonly fail: (reason: unknown) => void
}

interface Line {
  drain(): void
  send(message: Demand): void
}

/** What one source has asked and the thread not answered. It outlives the thread: the next one is asked again. */
export class Requests {
  readonly #clock: Clock
  readonly #alarm: Alarm
  readonly #line: Line
  readonly #pending = new Map<number, Request>()
  #lastId = 0

  constructor(clock: Clock, alarm: Alarm, line: Line) {
    this.#clock = clock
    this.#alarm = alarm
    this.#line = line
  }

  /** Resolves when the thread says yes; rejects with its failure, with `late()` after `patience` ms, or with the signal's reason. */
  ask(
    message: (id: number) => Question,
    patience: number,
    late: () => Error,
    signal?: AbortSignal,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId
      const release = this.#clock.hold()
      const giveUp = (reason: unknown): void => {
        if (!this.#pending.has(id)) return
        this.#line.send({ type: 'cancel', account: request.message.account, id })
        request.fail(reason)
      }
      const ignore = signal && onAbort(signal, () => giveUp(reasonOf(signal)))
      const cancel = this.#alarm.set(later(instantNow(this.#clock), patience), () => {
        // The answer may be waiting behind a blocked event loop.
        this.#line.drain()
        if (this.#pending.has(id)) giveUp(late())
      })
      const end = (settle: () => void): void => {
        if (!this.#pending.delete(id)) return
        ignore?.()
        cancel()
        release()
        settle()
      }
      const request: Request = {
        message: message(id),
        succeed: () => end(resolve),
        fail: (reason) => end(() => reject(reason)),
      }
      this.#pending.set(id, request)
      this.#line.send(request.message)
    })
  }

  answered(id: number, failure: Failure | undefined): void {
    const request = this.#pending.get(id)
    if (failure) request?.fail(errorOf(failure))
    else request?.succeed()
  }

  sendAgain(): void {
    for (const { message } of this.#pending.values()) this.#line.send(message)
  }

  rejectAll(reason: unknown): void {
    for (const { fail } of [...this.#pending.values()]) fail(reason)
  }
}
