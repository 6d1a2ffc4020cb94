import { EventEmitter } from 'node:events'
import { inspect } from 'node:util'
import { closedError, optionError, TokenThreadError } from '../src/errors.js'
import { LaterTurn } from '../src/later-turn.js'
import type { RequestSide } from '../src/protocol.js'
import type { ReadyOptions, RefreshOptions, TokenReader } from '../src/reader.js'
import { type AccountStatus, type ThreadStatus, threadStatus } from '../src/status.js'
import { showInstant, Token } from '../src/token.js'
import type { TokenThreadEvents } from '../src/token-thread.js'
import { check, fieldsOf } from '../src/validate.js'
import { Waiters } from '../src/waiters.js'
import { plainFailure } from './plain-failure.js'

export interface FakeTokensOptions {
  /** The first token, any non-empty string. Default: `fake-token-1`; the later ones are `fake-token-2` and so on. */
  accessToken?: string | undefined
  /** Life of each token, ms, at least 1. Default: 7_200_000. */
  lifetime?: number | undefined
  /** The account's id. Default: `fake-account`. */
  id?: string | undefined
  /** The wall clock, ms since the epoch. Default: `Date.now`, looked up at each call, so that fake timers reach it. */
  now?: (() => number) | undefined
  /** How requests carry the token, for code that uses `tokenInterceptor`. Default: WeChat's, for api.weixin.qq.com. */
  requestSide?: RequestSide | undefined
}

const WECHAT: RequestSide = {
  place: { in: 'query', name: 'access_token' },
  refused: { statuses: [], field: 'errcode', codes: [40001, 40014, 42001] },
  origins: ['https://api.weixin.qq.com'],
  except: ['/cgi-bin/token', '/cgi-bin/stable_token', '/cgi-bin/clear_quota/v2', '/sns/'],
}

/**
 * Stands in for a TokenThread in a unit test: no thread, no network, no timer. Give it to code that takes a
 * `TokenReader`.
 *
 *     const tokens = fakeTokens()
 *     await sendMessage(tokens, 'hello')           // the code under test: its API answers 40001
 *     assert.deepEqual(tokens.rejected, ['fake-token-1'])
 *     assert.equal(tokens.get(), 'fake-token-2')
 *
 * @throws TokenThreadError `ERR_OPTIONS`
 */
export function fakeTokens(options: FakeTokensOptions = {}): FakeTokens {
  return new FakeTokens(options)
}

/**
 * A TokenThread of one account whose issuer always answers at once, unless it is told otherwise. Unlike the real one
 * it does nothing by itself: a token is replaced by `rotate`, `reject` and `refresh` only, and its end is noticed by
 * the next read.
 */
export class FakeTokens extends EventEmitter<TokenThreadEvents> implements TokenReader {
  readonly id: string
  readonly requestSide: RequestSide
  readonly #lifetime: number
  readonly #now: () => number
  readonly #later = new LaterTurn()
  // Nothing keeps the process alive: it is the test runner's, and a timer would be in the way of fake ones.
  readonly #waiters = new Waiters<Token>(() => () => undefined)
  readonly #rejected: string[] = []
  readonly #failing = { reject: new Array<TokenThreadError>(), refresh: new Array<TokenThreadError>() }
  #newest: Token
  #made = 1
  #isSuspect = false
  #isExpiryTold = false
  #isClosed = false
  #rejecting: Promise<Token> | undefined
  #lastFailure: { readonly error: TokenThreadError; readonly at: number } | undefined
  #failures = 0
  #fetches = 1
  #forced = 0

  constructor(options: FakeTokensOptions = {}) {
    super()
    const fields = fieldsOf(options, '', ['accessToken', 'lifetime', 'id', 'now', 'requestSide'])
    this.id = check.text(fields.id, 'id') ?? 'fake-account'
    this.#lifetime = check.duration(fields.lifetime, 'lifetime', 7_200_000)
    this.requestSide = options.requestSide ?? WECHAT
    this.#now = options.now ?? (() => Date.now())
    this.#newest = this.#issue(check.text(fields.accessToken, 'accessToken') ?? 'fake-token-1', 0)
  }

  // ------------------------------------------------------------------------------------------ what the test controls

  /** A newer token comes into force, as after a refresh; the current one again only has its expiry moved. */
  rotate(accessToken?: string): Token {
    this.#throwIfClosed()
    const next = check.text(accessToken, 'accessToken') ?? `fake-token-${this.#made + 1}`
    const isSame = next === this.#newest.accessToken
    this.#newest = this.#issue(next, this.#newest.generation, isSame)
    this.#isExpiryTold = false
    this.#fetches += 1
    this.#failures = 0
    if (isSame) return this.#newest
    this.#made += 1
    this.#isSuspect = false
    const token = this.#newest
    this.#waiters.resolve(token)
    this.#later.push(() => this.emit('token', token, this.id))
    return token
  }

  /** The current token has ended and no newer one is there: `get` throws until `rotate`, `reject` or `refresh`. */
  expire(): void {
    this.#throwIfClosed()
    const { accessToken, issuedAt, generation, expiresAt } = this.#newest
    const now = this.#now()
    this.#newest = new Token({ accessToken, issuedAt, generation, expiresAt: Math.min(expiresAt, now) })
    this.#live()
  }

  /** A scheduled token call has failed: an event, the status and the cause of an unavailable token say so. */
  fail(error: TokenThreadError): void {
    this.#throwIfClosed()
    this.#lastFailure = { error, at: this.#now() }
    this.#failures += 1
    this.#fetches += 1
    this.#tellFailure(error)
  }

  /** The next `reject` of the current token, or the next `refresh`, fails with this; call it twice for two. */
  failNext(what: 'reject' | 'refresh', error: TokenThreadError): void {
    this.#failing[what].push(error)
  }

  /** What `reject` was called with, in order. */
  get rejected(): readonly string[] {
    return [...this.#rejected]
  }

  // --------------------------------------------------------------------------------------- what the program sees

  get(): string {
    this.#throwIfClosed()
    const token = this.#live()
    if (!token) throw this.#unavailable()
    return token.accessToken
  }

  get current(): Token | undefined {
    return this.#isClosed ? undefined : this.#live()
  }

  async ready({ signal }: ReadyOptions = {}): Promise<Token> {
    this.#throwIfClosed()
    return this.current ?? this.#waiters.wait(signal)
  }

  reject(badToken: string): Promise<Token> {
    this.#rejected.push(badToken)
    if (this.#isClosed) return this.#mayGoUnheard(Promise.reject(closedError()))
    if (typeof badToken !== 'string' || badToken === '') {
      return this.#mayGoUnheard(
        Promise.reject(optionError('reject needs the access token that was refused: a non-empty string')),
      )
    }
    const token = this.current
    if (token && token.accessToken !== badToken) return Promise.resolve(token)
    this.#rejecting ??= this.#mayGoUnheard(this.#replace(this.#newest.generation))
    return this.#rejecting
  }

  /** As the real one's; `revoke` makes no difference. */
  async refresh({ signal }: RefreshOptions = {}): Promise<Token> {
    signal?.throwIfAborted()
    await Promise.resolve()
    this.#throwIfClosed()
    this.#forced += 1
    const failure = this.#failing.refresh.shift()
    if (failure) throw failure
    return this.rotate()
  }

  status(): ThreadStatus {
    return threadStatus({ [this.id]: this.#accountStatus() }, 0)
  }

  /**
   * Itself.
   * @throws TokenThreadError `ERR_OPTIONS` for another id
   */
  account(id: string): this {
    if (id !== this.id) throw optionError(`there is no account ${id}: the ids are ${this.id}`)
    return this
  }

  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true
      this.#waiters.reject(closedError())
      this.#later.flush()
    }
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  [inspect.custom](): string {
    const { state, generation } = this.status()
    return `FakeTokens { id: '${this.id}', state: '${state}', generation: ${generation ?? 0}, rejected: ${this.#rejected.length} }`
  }

  #issue(accessToken: string, lastGeneration: number, isSame = false): Token {
    const issuedAt = this.#now()
    return new Token({
      accessToken,
      issuedAt,
      expiresAt: issuedAt + this.#lifetime,
      generation: isSame ? lastGeneration : Math.max(lastGeneration + 1, Math.floor(issuedAt)),
    })
  }

  #live(): Token | undefined {
    if (this.#now() < this.#newest.expiresAt) return this.#newest
    if (!this.#isExpiryTold) {
      this.#isExpiryTold = true
      this.#later.push(() => this.emit('expired', this.id))
    }
    return undefined
  }

  /** It settles in a later microtask, not in a later turn: fake timers must not hold it up. */
  async #replace(generation: number): Promise<Token> {
    this.#isSuspect = true
    try {
      await Promise.resolve()
      this.#throwIfClosed()
      if (this.#newest.generation !== generation) return await this.ready()
      const failure = this.#failing.reject.shift()
      if (failure) throw failure
      return this.rotate()
    } finally {
      this.#rejecting = undefined
    }
  }

  #mayGoUnheard(promise: Promise<Token>): Promise<Token> {
    promise.catch((error: unknown) => {
      if (error instanceof TokenThreadError && !this.#isClosed) this.#tellFailure(error)
    })
    return promise
  }

  #tellFailure(error: TokenThreadError): void {
    this.#later.push(() => this.emit('failure', error, this.id))
  }

  #unavailable(): TokenThreadError {
    const cause = this.#failures > 0 ? this.#lastFailure?.error : undefined
    const message =
      `account ${this.id}: the last token expired at ${showInstant(this.#newest.expiresAt)}` +
      (cause ? `; ${cause.message}` : '')
    return new TokenThreadError(
      { code: 'ERR_TOKEN_UNAVAILABLE', message, retryable: true, account: this.id },
      cause,
    )
  }

  #accountStatus(): AccountStatus {
    const { generation, issuedAt, expiresAt } = this.#newest
    const past = this.#lastFailure
    return {
      state: this.#isClosed ? 'closed' : !this.#live() ? 'expired' : this.#isSuspect ? 'suspect' : 'valid',
      generation,
      issuedAt,
      expiresAt,
      nextRefreshAt: undefined,
      lastFailure: past && { ...plainFailure(past.error), at: past.at },
      failures: this.#failures,
      fetchesToday: this.#fetches,
      forcedToday: this.#forced,
      store: 'up',
      servedFirst: 0,
      outsiders: 0,
    }
  }

  #throwIfClosed(): void {
    if (this.#isClosed) throw closedError()
  }
}
