import type { Dispatcher } from 'undici'
import type { Cancel, Clock } from '../clock.js'
import type { TokenReader } from '../reader.js'
import type { Token } from '../token.js'
import { AnswerReader, HELD_BYTES } from './answer-reader.js'
import type { CallerSide } from './caller-side.js'
import { type Attempt, type Controller, type Fields, guarded, type Head, headerIn } from './handlers.js'
import { LocationGuard } from './location.js'
import { type AnyBody, type RequestBody, requestBody } from './request-body.js'
import type { RequestPlan } from './request-plan.js'
import type { UnhealedWarnings } from './warnings.js'

/** As undici's own default, ms: how long a request waits for the head of its answer. */
const HEADERS_TIMEOUT = 300_000

export interface RequestWithToken {
  readonly dispatch: Dispatcher.Dispatch
  /** As the caller gave them: without the token. */
  readonly opts: Dispatcher.DispatchOptions
  readonly caller: CallerSide
  readonly plan: RequestPlan
  readonly tokens: TokenReader
  readonly replayLimit: number
  readonly clock: Clock
  readonly warnings: UnhealedWarnings
}

/**
 * The first attempt of a request. Its answer is held until it is sure that it is no refusal (`reading`), or until a newer
 * token is there (`refused`); then it is told to the caller (`telling`), or it is dropped and a second one takes over (`dropped`).
 */
export class FirstAttempt implements Attempt {
  readonly #request: RequestWithToken
  #state: 'reading' | 'refused' | 'telling' | 'dropped' = 'reading'
  #token = ''
  #body: RequestBody | undefined
  #attempt: Controller | undefined
  #head: Head | undefined
  #reader: AnswerReader | undefined
  #held: Buffer[] = []
  #heldBytes = 0
  /** How the held answer ended, if it has. */
  #ended: { readonly trailers: Fields } | { readonly error: Error } | undefined
  #newer: string | undefined
  #secondBody: AnyBody | undefined
  readonly #cancels: Cancel[] = []

  constructor(request: RequestWithToken) {
    this.#request = request
  }

  send(token: string): boolean {
    const { opts, replayLimit, caller } = this.#request
    this.#token = token
    this.#body = requestBody(opts.body, replayLimit)
    return this.#dispatch(token, this.#body?.first, caller.handlerFor(this))
  }

  begin(attempt: Controller, context: unknown): void {
    this.#attempt = attempt
    this.#request.caller.attach(attempt, context)
  }

  started(): void {
    this.#request.caller.started()
  }

  head(unguarded: Head): void {
    const { caller, plan, opts } = this.#request
    const hasLocation = headerIn(unguarded, 'location') !== undefined
    const head = hasLocation ? guarded(unguarded, new LocationGuard(this.#token)) : unguarded
    if (head.statusCode < 200) {
      caller.inform(head)
      return
    }
    this.#head = head
    if (plan.statuses.has(head.statusCode)) this.#refuse()
    else if (opts.method === 'HEAD') this.#tell()
    else this.#reader = new AnswerReader(plan.field, plan.codes, headerIn(head, 'content-encoding'))
  }

  data(chunk: Buffer): void {
    if (this.#state === 'telling') {
      this.#request.caller.data(chunk)
      return
    }
    if (this.#state === 'dropped') return
    const verdict = this.#state === 'reading' ? this.#reader?.read(chunk) : undefined
    if (verdict === 'other' && this.#held.length === 0) {
      // Nothing is held, as with most answers.
      this.#tell()
      this.#request.caller.data(chunk)
      return
    }
    this.#held.push(chunk)
    this.#heldBytes += chunk.length
    if (verdict === 'other') this.#tell()
    else if (verdict === 'refusal') this.#refuse()
    if (this.#isRefused() && this.#heldBytes > HELD_BYTES) {
      this.#attempt?.pause()
      this.#secondIfReady()
    }
  }

  end(trailers: Fields): void {
    const { caller } = this.#request
    if (this.#state === 'dropped') return
    if (this.#state === 'telling') {
      caller.end(trailers)
      return
    }
    this.#ended = { trailers }
    if (this.#state === 'reading' && this.#reader?.end() === 'refusal') this.#refuse()
    if (!this.#isRefused()) {
      this.#tell()
      return
    }
    // Whoever aborts from here on is heard by us: there is nothing on the wire.
    caller.detach()
    this.#secondIfReady()
  }

  fail(error: Error): void {
    const { caller } = this.#request
    if (this.#state === 'dropped') return
    if (this.#state === 'telling' || caller.aborted || !this.#head) {
      this.#finish()
      caller.fail(error)
      return
    }
    this.#ended = { error }
    caller.detach()
    if (this.#isRefused()) this.#secondIfReady()
    else this.#tell()
  }

  /** A method, because its callers have looked at the state before it changed. */
  #isRefused(): boolean {
    return this.#state === 'refused'
  }

  #dispatch(token: string, body: AnyBody | undefined, handler: Dispatcher.DispatchHandler): boolean {
    const { dispatch, opts, plan } = this.#request
    const sent = plan.place.put(opts, token)
    return dispatch(body === undefined ? sent : Object.assign(sent, { body }), handler)
  }

  /** The answer is told as it came, and what is still to come with it. */
  #tell(): void {
    const { caller } = this.#request
    const ended = this.#ended
    this.#finish()
    this.#state = 'telling'
    if (!this.#head) return
    caller.start(this.#head)
    if (this.#held.length > 0) caller.held(this.#held.splice(0))
    if (!ended) return
    if ('error' in ended) caller.fail(ended.error)
    else caller.end(ended.trailers)
  }

  #refuse(): void {
    const { tokens, caller, opts, clock, warnings } = this.#request
    this.#state = 'refused'
    const rejected = rejection(tokens, this.#token)
    const second = this.#body ? this.#body.again() : { body: undefined }
    if ('why' in second) {
      // Its failure is an event of the tokens; nobody here can do anything about it.
      rejected.catch(() => undefined)
      warnings.tell(opts, second.why)
      this.#tell()
      return
    }
    this.#secondBody = second.body
    const timeout = opts.headersTimeout ?? HEADERS_TIMEOUT
    this.#cancels.push(clock.hold())
    if (timeout > 0) this.#cancels.push(clock.timer(timeout, () => this.#giveUp()))
    caller.onAbort(() => this.#finish())
    rejected.then(
      (token) => this.#tokenCame(token),
      () => this.#giveUp(),
    )
  }

  #tokenCame(token: Token): void {
    const { tokens } = this.#request
    const newer = tokens.current?.accessToken ?? token.accessToken
    if (newer === this.#token) {
      this.#giveUp()
      return
    }
    this.#newer = newer
    this.#secondIfReady()
  }

  /** The refusal is the answer. */
  #giveUp(): void {
    const { caller } = this.#request
    if (this.#state !== 'refused' || caller.isOver) return
    caller.safely(() => this.#tell())
  }

  /** Once the newer token is there and the refusal has come whole, or is too long to wait for. */
  #secondIfReady(): void {
    const { caller } = this.#request
    const isReady = this.#ended !== undefined || this.#heldBytes > HELD_BYTES
    if (this.#state !== 'refused' || this.#newer === undefined || !isReady || caller.isOver) return
    this.#finish()
    this.#state = 'dropped'
    this.#held = []
    caller.detach()
    if (!this.#ended) this.#attempt?.abort(new Error('the answer was a refusal; the request is sent again'))
    const token = this.#newer
    caller.safely(() => {
      this.#dispatch(token, this.#secondBody, caller.passingOn(new LocationGuard(token, this.#token)))
    })
  }

  /** Nothing is waited for any more. */
  #finish(): void {
    for (const cancel of this.#cancels.splice(0)) cancel()
    this.#body?.forget()
    this.#request.caller.onAbort(undefined)
  }
}

/** A reader of other make may throw what it should reject with. */
async function rejection(tokens: TokenReader, token: string): Promise<Token> {
  return await tokens.reject(token)
}
