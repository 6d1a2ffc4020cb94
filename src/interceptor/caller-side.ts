import { messageOf } from '../errors.js'
import {
  type Attempt,
  type CallerController,
  type Controller,
  type Fields,
  guarded,
  handlerFor,
  type Head,
  type Listener,
  listenerOf,
  type Raw,
} from './handlers.js'
import type { LocationGuard } from './location.js'

type Handler = ReturnType<typeof handlerFor>

/**
 * What the caller sees of a request: one controller, and one answer told to their handler in legal order, while attempts
 * come and go behind it.
 */
export class CallerSide implements CallerController {
  rawHeaders: Raw = null
  rawTrailers: Raw = null
  readonly #listener: Listener
  /** The attempt that is on the wire. */
  #attempt: Controller | undefined
  #hasBegun = false
  #hasHead = false
  #isOver = false
  #isPaused = false
  #abort: { readonly reason: Error } | undefined
  #whenAborted: (() => void) | undefined
  /** What could not be told yet, because the caller paused. */
  #untold: Buffer[] = []
  #end: Fields | undefined
  #isTelling = false

  constructor(handler: Handler) {
    this.#listener = listenerOf(handler)
  }

  // ------------------------------------------------------------------------------------------ what the caller does

  get aborted(): boolean {
    return this.#abort !== undefined
  }

  get reason(): Error | null {
    return this.#abort?.reason ?? null
  }

  get paused(): boolean {
    return this.#isPaused
  }

  pause(): void {
    this.#isPaused = true
    // A held answer is read on: what is held is ours to decide.
    if (this.#hasHead) this.#attempt?.pause()
  }

  resume(): void {
    this.#isPaused = false
    if (!this.#hasHead) return
    this.#tell()
  }

  abort(reason?: Error): void {
    if (this.#isOver || this.#abort) return
    this.#abort = { reason: reason ?? abortError() }
    if (this.#attempt) this.#attempt.abort(this.#abort.reason)
    else this.fail(this.#abort.reason)
    this.#whenAborted?.()
  }

  // ------------------------------------------------------------------------------------------- what attempts tell

  /** Nothing more will be told: the answer has ended, or it failed. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Called when the caller gives up; one at a time. */
  onAbort(callback: (() => void) | undefined): void {
    this.#whenAborted = callback
  }

  /** Gives the caller their controller. Handlers of undici take it once: `pipeline` can't begin twice. */
  begin(context?: unknown): void {
    if (this.#hasBegun) return
    this.#hasBegun = true
    this.#listener.begin(this, context)
  }

  attach(attempt: Controller, context: unknown): void {
    this.#attempt = attempt
    if (this.#abort) attempt.abort(this.#abort.reason)
    else this.begin(context)
  }

  detach(): void {
    this.#attempt = undefined
  }

  started(): void {
    this.#listener.started?.()
  }

  /** A 1xx answer: the real one follows. */
  inform(head: Head): void {
    this.rawHeaders = head.raw
    this.#listener.head(this, head)
  }

  start(head: Head): void {
    if (this.#isOver || this.#hasHead) return
    this.#hasHead = true
    this.rawHeaders = head.raw
    this.#listener.head(this, head)
    if (this.#isPaused) this.#attempt?.pause()
  }

  data(chunk: Buffer): void {
    if (this.#isOver) return
    // undici may have one in hand although the caller paused: theirs are told in order, after they resume.
    const canTell = this.#untold.length === 0 && !this.#isPaused && !this.#isTelling
    if (canTell) this.#listener.data(this, chunk)
    else this.#untold.push(chunk)
  }

  /** Chunks that were held. */
  held(chunks: readonly Buffer[]): void {
    this.#untold.push(...chunks)
    this.#tell()
  }

  end(trailers: Fields): void {
    // Whatever is paused from here on is another request's.
    this.#attempt = undefined
    this.#end = trailers
    this.#tell()
  }

  fail(error: Error): void {
    this.#attempt = undefined
    if (this.#isOver) return
    this.#isOver = true
    this.#untold = []
    this.#listener.fail(this, error)
  }

  /** Runs what undici would guard if it called it: a handler that throws ends its own request, not the process. */
  safely(run: () => void): void {
    try {
      run()
    } catch (error) {
      const reason = asError(error)
      if (this.#attempt) this.abort(reason)
      else this.fail(reason)
    }
  }

  /** What undici tells an attempt by. */
  handlerFor(attempt: Attempt): Handler {
    return handlerFor(attempt, this.#listener.isLegacy)
  }

  /** A handler for an attempt whose answer is told as it comes, only with no token in its `Location`. */
  passingOn(guard?: LocationGuard): Handler {
    return this.handlerFor({
      begin: (attempt, context) => this.attach(attempt, context),
      head: (unguarded) => {
        const head = guard ? guarded(unguarded, guard) : unguarded
        if (head.statusCode < 200) this.inform(head)
        else this.start(head)
      },
      data: (chunk) => this.data(chunk),
      end: (trailers) => this.end(trailers),
      fail: (error) => this.fail(error),
      started: () => this.started(),
    })
  }

  #tell(): void {
    if (this.#isTelling) return
    this.#isTelling = true
    try {
      while (!this.#isPaused && !this.#isOver) {
        const chunk = this.#untold.shift()
        if (!chunk) break
        this.#listener.data(this, chunk)
      }
    } finally {
      this.#isTelling = false
    }
    if (!this.#isPaused && this.#untold.length === 0) this.#attempt?.resume()
    if (this.#untold.length > 0 || !this.#end || this.#isOver) return
    this.#isOver = true
    this.rawTrailers = this.#end.raw
    try {
      this.#listener.end(this, this.#end)
    } catch (error) {
      // As undici does; its retry handler asks for the next attempt this way.
      this.#listener.fail(this, asError(error))
    }
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(messageOf(thrown), { cause: thrown })
}

/** As undici's RequestAbortedError, which needs undici at run time. */
function abortError(): Error {
  return Object.assign(new Error('Request aborted'), { name: 'AbortError', code: 'UND_ERR_ABORTED' })
}
