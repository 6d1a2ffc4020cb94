import { EventEmitter } from 'node:events'
import type { Account } from './account.js'
import { SimulatorInputError } from './checks.js'
import type { Counters } from './counters.js'
import type { SimulatorEvents } from './events.js'
import { readFault } from './fault-input.js'
import type { Fault, Injected } from './faults.js'
import type { TokenKind } from './issued.js'
import { type ClientTimes, clientTimes, livesOf } from './lives.js'
import type { Listener } from './listener.js'
import { type Settings, readExpiresIn } from './options.js'
import type { World } from './world.js'

/** Options to spread into `TokenThread.start`. */
export interface ClientOptions extends ClientTimes {
  appId: string
  appSecret: string
  baseUrl: string
}

/** A live token. */
export interface CurrentToken {
  accessToken: string
  /** Milliseconds since 1970 on the simulator's clock. */
  expiresAt: number
}

/** The live tokens of an account; a kind that has none is absent. */
export type CurrentTokens = Partial<Record<TokenKind, CurrentToken>>

/** A running simulator: a WeChat token API on a loopback port. */
export class Simulator extends EventEmitter<SimulatorEvents> implements AsyncDisposable {
  /** Where it listens: `http://127.0.0.1:PORT`. */
  readonly url: string
  readonly #settings: Settings
  readonly #world: World
  readonly #listener: Listener

  /** @internal Use `startSimulator`. */
  constructor(url: string, settings: Settings, world: World, listener: Listener) {
    super()
    this.url = url
    this.#settings = settings
    this.#world = world
    this.#listener = listener
  }

  /** Options that fit the simulator's lives, to spread into `TokenThread.start`. */
  options(appId: string): ClientOptions {
    const { secret } = this.#account(appId)
    return { appId, appSecret: secret, baseUrl: this.url, ...clientTimes(this.#world.lives) }
  }

  /** What happened so far at one account, or in all; a copy. */
  counters(appId?: string): Counters {
    const { tally } = this.#world
    return tally.counters(appId === undefined ? undefined : this.#account(appId).appId)
  }

  /** The live tokens of an account. */
  current(appId: string): CurrentTokens {
    const live = this.#account(appId).issuer.live(this.#world.now())
    const current: CurrentTokens = {}
    for (const kind of kinds) {
      const token = live[kind]
      if (token) current[kind] = { accessToken: token.accessToken, expiresAt: token.expiresAt }
    }
    return current
  }

  /**
   * Another party gets a new token; the old one gets the overlap. No counter, daily limit or force floor notices.
   * @param kind Default: each kind that has a live token, else stable.
   */
  rotate(appId: string, kind?: TokenKind): void {
    const { issuer } = this.#account(appId)
    const now = this.#world.now()
    const live = issuer.live(now)
    const chosen = kind ? [kind] : kinds.filter((one) => live[one])
    for (const one of chosen.length > 0 ? chosen : stableOnly) issuer.rotate(one, now)
  }

  /**
   * The live token is refused from now on (40001), and the next normal stable call brings a new one.
   * @param kind Default: both.
   */
  revoke(appId: string, kind?: TokenKind): void {
    const { issuer } = this.#account(appId)
    for (const one of kind ? [kind] : kinds) issuer.revoke(one)
  }

  /** API calls refuse this token (40001), although normal stable calls still bring it: only a forced one heals. */
  refuse(accessToken: string): void {
    const token = this.#world.issued.find(accessToken)
    if (!token) throw new SimulatorInputError('accessToken', 'is none that this simulator gave out')
    token.refused = true
  }

  /** The life, in seconds, of tokens issued from now on. What shrinks with it does so too. */
  setExpiresIn(seconds: number): void {
    this.#world.lives = livesOf(this.#settings, readExpiresIn('expiresIn', seconds))
  }

  /** Changes the AppSecret of an account, as an administrator would; its tokens stay valid. */
  setSecret(appId: string, secret: string): void {
    this.#account(appId).secret = secret
  }

  /** Makes something go wrong. */
  inject(fault: Fault): Injected {
    return this.#world.faults.inject(readFault(fault))
  }

  /** Closes the listening socket and destroys the open ones: the API is unreachable until `up`. */
  down(): void {
    this.#listener.down()
  }

  /** Listens again on the same port. */
  up(): Promise<void> {
    return this.#listener.up()
  }

  /** Ends it, open connections too. Calling it again is fine. */
  close(): Promise<void> {
    return this.#listener.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #account(appId: string): Account {
    const account = this.#world.accounts.get(appId)
    if (!account) throw new SimulatorInputError('appId', `${appId} is no account of this simulator`)
    return account
  }
}

const kinds = ['classic', 'stable'] as const
const stableOnly = ['stable'] as const
