import type { Alarm } from './alarm.js'
import { type Clock, instantNow, later } from './clock.js'
import { errorOf, type Failure } from './errors.js'
import type { ToRefresher } from './protocol.js'

interface Request {
  readonly message: ToRefresher
  /** With undefined it succeeded. */
  readonly settle: (error: unknown) => void
}

interface Line {
  drain(): void
  send(message: ToRefresher): void
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
    message: (id: number) => ToRefresher,
    patience: number,
    late: () => Error,
    signal?: AbortSignal,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId
      const release = this.#clock.hold()
      const aborted = (): void => request.settle(signal?.reason)
      signal?.addEventListener('abort', aborted, { once: true })
      const cancel = this.#alarm.set(later(instantNow(this.#clock), patience), () => {
        // The answer may be waiting behind a blocked event loop.
        this.#line.drain()
        this.#pending.get(id)?.settle(late())
      })
      const request: Request = {
        message: message(id),
        settle: (error) => {
          if (!this.#pending.delete(id)) return
          signal?.removeEventListener('abort', aborted)
          cancel()
          release()
          if (error === undefined) resolve()
          else reject(error)
        },
      }
      this.#pending.set(id, request)
      this.#line.send(request.message)
    })
  }

  answered(id: number, failure: Failure | undefined): void {
    this.#pending.get(id)?.settle(failure && errorOf(failure))
  }

  sendAgain(): void {
    for (const { message } of this.#pending.values()) this.#line.send(message)
  }

  rejectAll(reason: unknown): void {
    for (const { settle } of [...this.#pending.values()]) settle(reason)
  }
}
