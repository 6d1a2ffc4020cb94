import type { IssuedToken, IssuedTokens } from './issued.js'
import type { Lives } from './lives.js'
import { randomToken } from './random.js'

/** The tokens of one account and one kind: each new one retires the last. */
export class TokenLine {
  readonly #appId: string
  readonly #issued: IssuedTokens
  #live: IssuedToken | undefined
  #retiring: IssuedToken | undefined

  constructor(appId: string, issued: IssuedTokens) {
    this.#appId = appId
    this.#issued = issued
  }

  /** The latest token, unless it has expired or was revoked. */
  live(now: number): IssuedToken | undefined {
    return this.#live && now < this.#live.expiresAt ? this.#live : undefined
  }

  /**
   * A new token. Two work at the same time, never three: the last one keeps working for its overlap (or not
   * at all), the one before it stops. That is why two forced calls are sure to revoke a leaked token.
   */
  issue(now: number, lives: Lives, { overlap }: { overlap: boolean }): IssuedToken {
    if (this.#retiring) stop(this.#retiring, now)
    if (this.#live) stop(this.#live, overlap ? now + this.#live.overlap : now)
    this.#retiring = this.#live
    const expiresAt = now + lives.life
    this.#live = {
      accessToken: randomToken(),
      appId: this.#appId,
      expiresAt,
      renewFrom: expiresAt - lives.renewalWindow,
      overlap: lives.overlap,
      wholeSeconds: lives.wholeSeconds,
      worksUntil: expiresAt,
      refused: false,
    }
    this.#issued.add(this.#live)
    return this.#live
  }

  /** Refuses the live token from now on and forgets it, so that the next call brings a new one. */
  revoke(): void {
    if (this.#live) this.#live.refused = true
    this.#live = undefined
  }
}

/** A token never works past its own expiry, even when its successor came just before that. */
function stop(token: IssuedToken, at: number): void {
  token.worksUntil = Math.min(token.worksUntil, at)
}
