import { Budget, dayOf, minuteOf, monthOf } from './budgets.js'
import type { IssuedToken, IssuedTokens, TokenKind } from './issued.js'
import type { Lives } from './lives.js'
import { TokenLine } from './token-line.js'

/** How many calls of each sort an account has. */
export interface Limits {
  readonly daily: number
  readonly stableDaily: number
  readonly minute: number
  readonly forcedDaily: number
}

/** What a token call comes to. */
export type Issue =
  | { readonly outcome: 'issued' | 'unchanged'; readonly token: IssuedToken }
  | { readonly outcome: 'refused'; readonly errcode: 45009 | 45011 }

/** What is live of an account's tokens. */
export type LiveTokens = Readonly<Partial<Record<TokenKind, IssuedToken>>>

/**
 * WeChat's rules for the tokens of one account, without HTTP and without a clock of its own. Sources:
 * WeChat's pages for getAccessToken and getStableAccessToken.
 */
export class Issuer {
  readonly #lines: Readonly<Record<TokenKind, TokenLine>>
  readonly #lives: () => Lives
  readonly #forcedCallRetires: boolean
  readonly #daily: Budget
  readonly #stableDaily: Budget
  readonly #minute: Budget
  readonly #forcedDaily: Budget
  readonly #quotaResets = new Budget(10, monthOf)
  #forcedAt = -Infinity

  constructor(
    appId: string,
    issued: IssuedTokens,
    rules: { lives: () => Lives; limits: Limits; forcedCallRetires: boolean },
  ) {
    this.#lines = { classic: new TokenLine(appId, issued), stable: new TokenLine(appId, issued) }
    this.#lives = rules.lives
    this.#forcedCallRetires = rules.forcedCallRetires
    this.#daily = new Budget(rules.limits.daily, dayOf)
    this.#stableDaily = new Budget(rules.limits.stableDaily, dayOf)
    this.#minute = new Budget(rules.limits.minute, minuteOf)
    this.#forcedDaily = new Budget(rules.limits.forcedDaily, dayOf)
  }

  /** Every classic fetch makes a new token; the last one works on for the overlap. */
  classic(now: number): Issue {
    if (!this.#daily.take(now)) return { outcome: 'refused', errcode: 45009 }
    return this.#issue('classic', now, true)
  }

  /**
   * A stable call brings the same token until the renewal window begins. A forced one brings a new token at
   * once, unless the last forced refresh is less than the floor ago: then it is answered as a normal one, and
   * costs none of the day's forced calls.
   */
  stable(now: number, forced: boolean): Issue {
    if (!this.#minute.take(now)) return { outcome: 'refused', errcode: 45011 }
    if (!this.#stableDaily.take(now)) return { outcome: 'refused', errcode: 45009 }
    if (forced && now - this.#forcedAt >= this.#lives().forceFloor) {
      if (!this.#forcedDaily.take(now)) return { outcome: 'refused', errcode: 45009 }
      this.#forcedAt = now
      return this.#issue('stable', now, !this.#forcedCallRetires)
    }
    const live = this.#lines.stable.live(now)
    if (live && now < live.renewFrom) return { outcome: 'unchanged', token: live }
    return this.#issue('stable', now, true)
  }

  /** Another party got a new token. It is not a call of ours: no budget and no floor counts it. */
  rotate(kind: TokenKind, now: number): void {
    this.#issue(kind, now, true)
  }

  revoke(kind: TokenKind): void {
    this.#lines[kind].revoke()
  }

  live(now: number): LiveTokens {
    const classic = this.#lines.classic.live(now)
    const stable = this.#lines.stable.live(now)
    return { ...(classic && { classic }), ...(stable && { stable }) }
  }

  /**
   * clear_quota: the day's calls begin again, ten times a month (false after that). The forced calls of the
   * day stay counted: no page says that they are given back.
   */
  clearQuota(now: number): boolean {
    if (!this.#quotaResets.take(now)) return false
    this.#daily.reset()
    this.#stableDaily.reset()
    return true
  }

  #issue(kind: TokenKind, now: number, overlap: boolean): Issue {
    return { outcome: 'issued', token: this.#lines[kind].issue(now, this.#lives(), { overlap }) }
  }
}
