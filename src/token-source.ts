import { EventEmitter } from 'node:events'
import { inspect } from 'node:util'
import type { Alarm } from './alarm.js'
import { type Clock, type Instant, instantNow, later, reached } from './clock.js'
import { closedError, errorOf, type Failure, optionError, TokenThreadError } from './errors.js'
import { HeldToken } from './held-token.js'
import type { LaterTurn } from './later-turn.js'
import type { AccountState, Demand, News, ReaderAccount, RequestSide } from './protocol.js'
import type { ReadyOptions, RefreshOptions, TokenReader, TokenSourceEvents } from './reader.js'
import { Requests } from './requests.js'
import { revoke } from './revoke.js'
import { check, fieldsOf } from './validate.js'
import type { AccountStatus, TokenState } from './status.js'
import { showInstant, type Token } from './token.js'
import { Waiters } from './waiters.js'

/** How a source reaches its refresher, and what it shares with the other sources of its thread. */
export interface Link {
  readonly clock: Clock
  readonly alarm: Alarm
  readonly later: LaterTurn
  drain(): void
  send(message: Demand): void
  requestSide(id: string): RequestSide | undefined
  /** Why the thread itself can't run, if so. */
  threadError(): TokenThreadError | undefined
}

/** One account's token on this thread. */
export class TokenSource extends EventEmitter<TokenSourceEvents> implements TokenReader {
  readonly id: string
  readonly #config: Omit<ReaderAccount, 'id'>
  readonly #link: Link
  readonly #held: HeldToken
  readonly #waiters: Waiters<Token>
  readonly #requests: Requests
  #state: AccountState | undefined
  #lookAskedFrom: Instant | undefined
  #rejecting: { readonly generation: number; readonly promise: Promise<Token> } | undefined
  /** The generation of which listeners have heard. */
  #announced = 0
  readonly #closing = new AbortController()

  constructor({ id, endpoint, timeout, retry }: ReaderAccount, link: Link) {
    super()
    this.id = id
    // No more of the account than is needed: its secret does not stay here.
    this.#config = { endpoint, timeout, retry }
    this.#link = link
    this.#waiters = new Waiters(() => link.clock.hold())
    this.#requests = new Requests(link.clock, link.alarm, link)
    this.#held = new HeldToken(link.clock, link.alarm, {
      drain: () => link.drain(),
      live: (token) => this.#onLive(token),
      expired: () => link.later.push(() => this.emit('expired', id)),
      missing: () => this.#askToLook(),
    })
  }

  get(): string {
    const token = this.#held.read()
    if (token === undefined) throw this.#isClosed ? closedError() : this.#unavailable()
    return token.accessToken
  }

  get current(): Token | undefined {
    return this.#held.read()
  }

  async ready(options: ReadyOptions = {}): Promise<Token> {
    const signal = check.signal(fieldsOf(options, 'ready.', ['signal']).signal, 'signal')
    const token = this.current
    if (token) return token
    this.#closing.signal.throwIfAborted()
    return this.#waiters.wait(signal)
  }

  reject(badToken: string): Promise<Token> {
    const token = this.current
    if (this.#isClosed) return this.#mayGoUnheard(rejected(this.#closing.signal.reason))
    if (typeof badToken !== 'string' || badToken === '') {
      return this.#mayGoUnheard(
        rejected(optionError('reject needs the access token that was refused: a non-empty string')),
      )
    }
    if (token && token.accessToken !== badToken) return Promise.resolve(token)
    // Where there is no live token, whichever was refused is answered by the next.
    const generation = this.#held.newest?.generation ?? 0
    if (this.#rejecting?.generation !== generation) {
      this.#rejecting = { generation, promise: this.#mayGoUnheard(this.#replace(generation)) }
    }
    return this.#rejecting.promise
  }

  async refresh(options: RefreshOptions = {}): Promise<Token> {
    const fields = fieldsOf(options, 'refresh.', ['revoke', 'signal'])
    const signal = check.signal(fields.signal, 'signal')
    const { clock, alarm } = this.#link
    signal?.throwIfAborted()
    if (!check.flag(fields.revoke, 'revoke', false)) return this.#forced(1, signal)
    if (this.#config.endpoint !== 'stable') {
      throw optionError(
        `revoke is for the stable endpoint only: on ${this.#config.endpoint} each fetch retires the last token by itself, ` +
          'and nothing shortens the 5 minutes for which WeChat lets both work. Call refresh() without it',
      )
    }
    const ends = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal
    return revoke((calls) => this.#forced(calls, signal), clock, alarm, this.#config.retry.minDelay, ends)
  }

  get requestSide(): RequestSide | undefined {
    return this.#link.requestSide(this.id)
  }

  status(): AccountStatus {
    const state = this.#tokenState()
    const known = this.#state
    const token = this.#held.newest
    const today = known && this.#link.clock.now() < known.spent.dayEnds ? known.spent : undefined
    const past = known?.lastFailure
    return {
      state,
      generation: token?.generation,
      issuedAt: token?.issuedAt,
      expiresAt: token?.expiresAt,
      nextRefreshAt: state === 'closed' || !known ? undefined : nextCallIn(known),
      lastFailure: past && { ...past.failure, at: past.at },
      failures: known?.failures ?? 0,
      fetchesToday: today?.calls ?? 0,
      forcedToday: today?.forced ?? 0,
      store: known?.isStoreDown ? 'down' : 'up',
      servedFirst: known?.servedFirst ?? 0,
      outsiders: known?.outsiders ?? 0,
    }
  }

  /** @internal What the thread says. It may come within a read: listeners hear of it in a later turn. */
  update(state: AccountState, news: News): void {
    if (this.#isClosed) return
    this.#state = state
    this.#held.take(state)
    if (news === 'failure' && state.lastFailure) this.#tellFailure(errorOf(state.lastFailure.failure))
  }

  /** @internal */
  answered(id: number, failure: Failure | undefined): void {
    this.#requests.answered(id, failure)
  }

  /** @internal Another thread is there: what the last one did not answer is asked again. */
  reconnected(): void {
    this.#requests.sendAgain()
  }

  /** @internal */
  close(reason: unknown): void {
    this.#closing.abort(reason)
    this.#held.close()
    this.#waiters.reject(reason)
    this.#requests.rejectAll(reason)
  }

  [inspect.custom](): string {
    const { state, generation, expiresAt } = this.status()
    const until =
      generation === undefined ? '' : `, generation: ${generation}, expiresAt: ${showInstant(expiresAt ?? 0)}`
    return `TokenSource { id: '${this.id}', state: '${state}'${until} }`
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted
  }

  #onLive(token: Token): void {
    this.#waiters.resolve(token)
    if (token.generation === this.#announced) return
    this.#announced = token.generation
    this.#rejecting = undefined
    this.#link.later.push(() => this.emit('token', token, this.id))
  }

  #tellFailure(error: TokenThreadError): void {
    this.#link.later.push(() => this.emit('failure', error, this.id))
  }

  #tokenState(): TokenState {
    if (this.#isClosed) return 'closed'
    if (this.current) return this.#state?.suspect ? 'suspect' : 'valid'
    return this.#held.newest ? 'expired' : 'starting'
  }

  /** A read found no live token: after a step of the wall clock the loop may see that a refresh is due. Once a floor. */
  #askToLook(): void {
    const { clock } = this.#link
    if (this.#lookAskedFrom && !reached(this.#lookAskedFrom, clock)) return
    this.#lookAskedFrom = later(instantNow(clock), this.#config.retry.minDelay)
    this.#link.send({ type: 'look', account: this.id })
  }

  async #replace(generation: number): Promise<Token> {
    const patience = 2 * this.#config.timeout
    const late = (): TokenThreadError =>
      this.#failed('ERR_TOKEN_REFUSED', `the token was refused and no newer one came within ${patience} ms`)
    try {
      await this.#requests.ask((id) => ({ type: 'reject', account: this.id, id, generation }), patience, late)
    } finally {
      if (this.#rejecting?.generation === generation) this.#rejecting = undefined
    }
    return this.ready()
  }

  /** One refresh; the limits must still allow so many `calls`. */
  async #forced(calls: number, signal: AbortSignal | undefined): Promise<Token> {
    this.#closing.signal.throwIfAborted()
    const patience = this.#config.retry.minDelay + 2 * this.#config.timeout
    const late = (): TokenThreadError =>
      this.#failed('ERR_TIMEOUT', `the refresh was not answered within ${patience} ms`)
    await this.#requests.ask(
      (id) => ({ type: 'refresh', account: this.id, id, calls }),
      patience,
      late,
      signal,
    )
    return this.ready({ signal })
  }

  /** The failure of a `reject` that nobody awaits is an event, not the end of the process. */
  #mayGoUnheard(promise: Promise<Token>): Promise<Token> {
    promise.catch((error: unknown) => {
      if (error instanceof TokenThreadError && !this.#isClosed) this.#tellFailure(error)
    })
    return promise
  }

  #unavailable(): TokenThreadError {
    const newest = this.#held.newest
    return this.#failed(
      'ERR_TOKEN_UNAVAILABLE',
      newest ? `the last token expired at ${showInstant(newest.expiresAt)}` : 'there has been no token yet',
    )
  }

  /** An error that carries the last failure as its cause. */
  #failed(code: TokenThreadError['code'], what: string): TokenThreadError {
    const failed = this.#state && this.#state.failures > 0 ? this.#state.lastFailure?.failure : undefined
    const cause = failed ? errorOf(failed) : this.#link.threadError()
    const message = `account ${this.id}: ${what}${cause ? `; ${cause.message}` : ''}`
    return new TokenThreadError({ code, message, retryable: true, account: this.id }, cause)
  }
}

function rejected(reason: unknown): Promise<never> {
  return new Promise((_resolve, reject) => reject(reason))
}

/** What is due may have to wait, as for a store that can't be used. */
function nextCallIn({ due, wait }: AccountState): number {
  return Math.round(Math.max(due.wall, wait?.until.wall ?? 0))
}
