import type { Dispatcher } from 'undici'
import type { LocationGuard } from './location.js'

/**
 * undici's two ways to tell of an answer, as one. undici 7's own requests and Node's `fetch` speak the older way, and turning
 * it into the newer and back, headers and all, costs a fifth of the requests/s: where the caller speaks it, so do we.
 */

type Handler = Dispatcher.DispatchHandler
export type Controller = Dispatcher.DispatchController
type Headers = Parameters<NonNullable<Handler['onResponseStart']>>[2]
export type Raw = NonNullable<Controller['rawHeaders']> | null

/** Headers or trailers: parsed where undici has parsed them, and as they came over the wire. */
export interface Fields {
  readonly parsed: Headers | undefined
  readonly raw: Raw
}

/** The first line and the headers of an answer. */
export interface Head extends Fields {
  readonly statusCode: number
  readonly statusMessage: string | undefined
}

/** What an attempt hears of itself from undici. */
export interface Attempt {
  begin(controller: Controller, context: unknown): void
  /** A 1xx head may come first. */
  head(head: Head): void
  data(chunk: Buffer): void
  end(trailers: Fields): void
  fail(error: Error): void
  /** The first byte has come; `fetch` notes the time. */
  started?(): void
}

/** The caller's hand on their request; undici's own callers may abort without a reason. */
export interface CallerController extends Controller {
  abort(reason?: Error): void
}

/** What the caller is told. */
export interface Listener {
  readonly isLegacy: boolean
  begin(controller: CallerController, context: unknown): void
  head(controller: CallerController, head: Head): void
  data(controller: CallerController, chunk: Buffer): void
  end(controller: CallerController, trailers: Fields): void
  fail(controller: CallerController, error: Error): void
  started?(): void
}

export function listenerOf(handler: Handler): Listener {
  return isLegacy(handler) ? new LegacyListener(handler) : listener(handler)
}

/** A handler for undici, in the way that its caller speaks. */
export function handlerFor(attempt: Attempt, isLegacy: boolean): Handler {
  return isLegacy ? new LegacyHandler(attempt) : handler(attempt)
}

/** One header's value, several of them joined; undefined where it is missing. */
export function headerIn({ parsed, raw }: Fields, name: string): string | undefined {
  if (parsed) {
    const value = parsed[name]
    return typeof value === 'string' ? value : value?.join(', ')
  }
  if (!Array.isArray(raw)) return undefined
  let joined: string | undefined
  for (let i = 1; i < raw.length; i += 2) {
    if (isNamed(raw[i - 1], name))
      joined = joined === undefined ? String(raw[i]) : `${joined}, ${String(raw[i])}`
  }
  return joined
}

/** The same head with no token in its `Location`. */
export function guarded(head: Head, guard: LocationGuard): Head {
  return { ...head, parsed: head.parsed && guard.headers(head.parsed), raw: guard.rawHeaders(head.raw) }
}

/** Lengths first: this is done for each answer. */
function isNamed(item: Buffer | string | undefined, name: string): boolean {
  return item?.length === name.length && item.toString().toLowerCase() === name
}

// --------------------------------------------------------------------------------------------------- the newer way

function listener(to: Handler): Listener {
  return {
    isLegacy: false,
    begin: (controller, context) => to.onRequestStart?.(controller, context),
    head: (controller, { statusCode, parsed, statusMessage }) =>
      to.onResponseStart?.(controller, statusCode, parsed ?? {}, statusMessage),
    data: (controller, chunk) => to.onResponseData?.(controller, chunk),
    end: (controller, { parsed }) => to.onResponseEnd?.(controller, parsed ?? {}),
    fail: (controller, error) => to.onResponseError?.(controller, error),
  }
}

function handler(attempt: Attempt): Handler {
  return {
    onRequestStart: (controller, context) => attempt.begin(controller, context),
    onResponseStart: (controller, statusCode, parsed, statusMessage) =>
      attempt.head({ statusCode, statusMessage, parsed, raw: controller.rawHeaders ?? null }),
    onResponseData: (_, chunk) => attempt.data(chunk),
    onResponseEnd: (controller, parsed) => attempt.end({ parsed, raw: controller.rawTrailers ?? null }),
    onResponseError: (_, error) => attempt.fail(error),
  }
}

// --------------------------------------------------------------------------------------------------- the older way

interface Legacy {
  onConnect(abort: (reason?: Error) => void, context: unknown): unknown
  onHeaders(statusCode: number, raw: Raw, resume: () => void, statusMessage: string | undefined): unknown
  onData(chunk: Buffer): unknown
  onComplete(trailers: Raw): unknown
  onError(error: Error): unknown
  onResponseStarted?(): unknown
}

function isLegacy(handler: object): handler is Legacy {
  return (
    has(handler, 'onConnect') &&
    has(handler, 'onHeaders') &&
    has(handler, 'onData') &&
    has(handler, 'onComplete') &&
    has(handler, 'onError')
  )
}

function has(handler: object, name: string): boolean {
  return typeof Reflect.get(handler, name) === 'function'
}

class LegacyListener implements Listener {
  readonly isLegacy = true
  readonly #to: Legacy

  constructor(to: Legacy) {
    this.#to = to
  }

  begin(controller: CallerController, context: unknown): void {
    this.#to.onConnect((reason) => controller.abort(reason), context)
  }

  head(controller: CallerController, { statusCode, raw, statusMessage }: Head): void {
    const resume = (): void => controller.resume()
    if (this.#to.onHeaders(statusCode, raw ?? [], resume, statusMessage) === false) controller.pause()
  }

  data(controller: CallerController, chunk: Buffer): void {
    if (this.#to.onData(chunk) === false) controller.pause()
  }

  end(_: CallerController, { raw }: Fields): void {
    this.#to.onComplete(raw ?? [])
  }

  fail(_: CallerController, error: Error): void {
    this.#to.onError(error)
  }

  started(): void {
    this.#to.onResponseStarted?.()
  }
}

/** Its attempt's controller, too: one object less for each request. */
class LegacyHandler implements Handler, Controller {
  readonly #attempt: Attempt
  #abort: ((reason?: Error) => void) | undefined
  #resume: (() => void) | undefined
  paused = false
  aborted = false
  reason: Error | null = null

  constructor(attempt: Attempt) {
    this.#attempt = attempt
  }

  onConnect(abort: (reason?: Error) => void, context?: unknown): void {
    this.#abort = abort
    this.#attempt.begin(this, context)
  }

  onResponseStarted(): void {
    this.#attempt.started?.()
  }

  onHeaders(statusCode: number, raw: Buffer[], resume: () => void, statusMessage: string): boolean {
    this.#resume = resume
    this.#attempt.head({ statusCode, statusMessage, parsed: undefined, raw })
    return !this.paused
  }

  onData(chunk: Buffer): boolean {
    this.#attempt.data(chunk)
    return !this.paused
  }

  onComplete(raw: string[] | null): void {
    this.#attempt.end({ parsed: undefined, raw })
  }

  onError(error: Error): void {
    this.#attempt.fail(error)
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    this.#resume?.()
  }

  abort(reason: Error): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = reason
    this.#abort?.(reason)
  }
}
