import type { Dispatcher } from 'undici'
import { type Clock, systemClock } from './clock.js'
import { kindOf, messageOf, optionError, TokenThreadError } from './errors.js'
import { CallerSide } from './interceptor/caller-side.js'
import { FirstAttempt } from './interceptor/first-attempt.js'
import { type InterceptorSettings, readInterceptorOptions } from './interceptor/options.js'
import type { TokenInterceptorOptions } from './interceptor/options.js'
import { headersToSendTwice } from './interceptor/headers.js'
import { type RequestPlan, originOf, requestPlan } from './interceptor/request-plan.js'
import { UnhealedWarnings } from './interceptor/warnings.js'
import type { RequestSide } from './protocol.js'
import type { TokenReader } from './reader.js'

export type { TokenInterceptorOptions } from './interceptor/options.js'

/** A `Dispatcher.DispatcherComposeInterceptor` of undici 7 and of undici 8, whose types differ. */
export type TokenInterceptor = <Dispatch extends (opts: never, handler: never) => boolean>(
  dispatch: Dispatch,
) => Dispatch

/**
 * An undici interceptor: each request to the account's API carries the token that is valid when it is sent, and one that
 * the API refuses for its token is sent once more with the next.
 *
 *     const agent = new Agent().compose(tokenInterceptor(tokens))
 *     await request('https://api.weixin.qq.com/cgi-bin/get_api_domain_ip', { dispatcher: agent })
 *
 * Compose it before redirect and cache, after proxy, dns and retry: docs/interceptor.md says why.
 * A request fails with `ERR_TOKEN_UNAVAILABLE` where there is no live token, and with `ERR_OPTIONS` where it names no origin
 * (a bare `Client` or `Pool` of undici 7), since the token must not go where nobody said.
 * @throws TokenThreadError `ERR_OPTIONS`
 */
export function tokenInterceptor(tokens: TokenReader, options?: TokenInterceptorOptions): TokenInterceptor
/** @internal With another clock. */
export function tokenInterceptor(
  tokens: TokenReader,
  options: TokenInterceptorOptions | undefined,
  clock: Clock,
): TokenInterceptor
export function tokenInterceptor(
  tokens: TokenReader,
  options: TokenInterceptorOptions = {},
  clock: Clock = systemClock,
): Dispatcher.DispatcherComposeInterceptor {
  if (!isReader(tokens)) {
    throw optionError(`tokens must be a TokenThread or another TokenReader, not ${kindOf(tokens)}`)
  }
  // Of several accounts it throws: say which by account(id).
  Reflect.get(tokens, 'requestSide')
  const gate = new Gate(tokens, readInterceptorOptions(options), clock)
  return (dispatch) => (opts, handler) => gate.dispatch(dispatch, opts, handler)
}

function isReader(tokens: unknown): tokens is TokenReader {
  if (typeof tokens !== 'object' || tokens === null) return false
  return ['get', 'ready', 'reject'].every((name) => typeof Reflect.get(tokens, name) === 'function')
}

/** Decides for each request whether it carries the token. */
class Gate {
  readonly #tokens: TokenReader
  readonly #settings: InterceptorSettings
  readonly #clock: Clock
  readonly #warnings: UnhealedWarnings
  #plan: { readonly of: RequestSide; readonly plan: RequestPlan } | undefined

  constructor(tokens: TokenReader, settings: InterceptorSettings, clock: Clock) {
    this.#tokens = tokens
    this.#settings = settings
    this.#clock = clock
    this.#warnings = new UnhealedWarnings(settings.logger, clock)
  }

  dispatch(
    dispatch: Dispatcher.Dispatch,
    opts: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
  ): boolean {
    // What follows a CONNECT or an upgrade is no HTTP answer: nothing here could be healed, nor seen to stay at home.
    if (opts.method === 'CONNECT' || Boolean(opts.upgrade)) return dispatch(opts, handler)
    if (!opts.origin) return failLater(new CallerSide(handler), noOrigin())
    const plan = this.#currentPlan()
    if (!plan) {
      // Before the thread is ready only origins of the options can tell whose request it is.
      const origins = this.#settings.origins
      if (origins && !origins.has(originOf(opts.origin))) return dispatch(opts, handler)
      return this.#withoutToken(dispatch, opts, handler)
    }
    if (!plan.isForUs(opts)) return dispatch(opts, handler)
    const reusable = headersToSendTwice(opts)
    if (plan.place.hasOwn(reusable)) return dispatch(reusable, handler)
    const token = this.#tokens.current?.accessToken
    if (token === undefined) return this.#withoutToken(dispatch, reusable, handler)
    return this.#send(dispatch, reusable, new CallerSide(handler), plan, token)
  }

  #send(
    dispatch: Dispatcher.Dispatch,
    opts: Dispatcher.DispatchOptions,
    caller: CallerSide,
    plan: RequestPlan,
    token: string,
  ): boolean {
    return new FirstAttempt({
      dispatch,
      opts,
      caller,
      plan,
      tokens: this.#tokens,
      replayLimit: this.#settings.replayLimit,
      clock: this.#clock,
      warnings: this.#warnings,
    }).send(token)
  }

  #withoutToken(
    dispatch: Dispatcher.Dispatch,
    opts: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
  ): boolean {
    const caller = new CallerSide(handler)
    const { wait } = this.#settings
    if (wait === undefined) return failLater(caller, this.#whyNone())
    caller.begin()
    if (caller.isOver) return true
    const stop = new AbortController()
    const cancels = [this.#clock.timer(wait, () => stop.abort()), this.#clock.hold()]
    caller.onAbort(() => stop.abort())
    const settled = (): void => {
      for (const cancel of cancels) cancel()
      if (caller.isOver) return
      caller.onAbort(undefined)
      this.#afterWaiting(dispatch, opts, caller)
    }
    this.#tokens.ready({ signal: stop.signal }).then(settled, settled)
    return true
  }

  #afterWaiting(dispatch: Dispatcher.Dispatch, opts: Dispatcher.DispatchOptions, caller: CallerSide): void {
    const token = this.#tokens.current?.accessToken
    const plan = this.#currentPlan()
    if (token === undefined || !plan) {
      caller.fail(this.#whyNone())
      return
    }
    const reusable = headersToSendTwice(opts)
    caller.safely(() => {
      if (plan.isForUs(reusable) && !plan.place.hasOwn(reusable)) {
        this.#send(dispatch, reusable, caller, plan, token)
      } else {
        dispatch(reusable, caller.passingOn())
      }
    })
  }

  #currentPlan(): RequestPlan | undefined {
    const side = this.#tokens.requestSide
    if (!side) return undefined
    if (this.#plan?.of !== side) this.#plan = { of: side, plan: requestPlan(side, this.#settings) }
    return this.#plan.plan
  }

  #whyNone(): Error {
    try {
      this.#tokens.get()
    } catch (error) {
      return error instanceof Error ? error : new Error(messageOf(error), { cause: error })
    }
    // A token came just now, or the thread that says where it goes is not ready yet.
    return new TokenThreadError({
      code: 'ERR_TOKEN_UNAVAILABLE',
      message: 'the thread is not ready yet: await ready() before the first request',
      retryable: true,
    })
  }
}

/** In a later microtask, as undici's own failures come; the caller's abort comes first. */
function failLater(caller: CallerSide, error: Error): boolean {
  queueMicrotask(() => {
    caller.begin()
    caller.fail(error)
  })
  return true
}

function noOrigin(): TokenThreadError {
  return optionError(
    'the request has no origin, so the interceptor cannot see where its token would go: ' +
      'pass origin beside path, or the whole URL to request(url, { dispatcher })',
  )
}
