/** The two ways to a token. Their tokens have nothing to do with each other. */
export type TokenKind = 'classic' | 'stable'

/** One token that was given out. Instants are ms on the simulator's clock. */
export interface IssuedToken {
  readonly accessToken: string
  readonly appId: string
  readonly expiresAt: number
  /** From here on a normal stable call brings a new token. */
  readonly renewFrom: number
  /** How long, in ms, it works beside its successor. */
  readonly overlap: number
  readonly wholeSeconds: boolean
  /** When it stops to work: its expiry, or earlier once a newer token retired it. */
  worksUntil: number
  /** Refused whatever its age (`revoke`, `refuse`). */
  refused: boolean
}

/** Enough to tell an old token from an unknown one in any test, few enough for a load test that runs for days. */
const remembered = 20_000

/** All tokens given out lately, of all accounts. */
export class IssuedTokens {
  readonly #tokens = new Map<string, IssuedToken>()

  add(token: IssuedToken): void {
    this.#tokens.set(token.accessToken, token)
    if (this.#tokens.size <= remembered) return
    for (const oldest of this.#tokens.keys()) {
      this.#tokens.delete(oldest)
      break
    }
  }

  find(accessToken: string): IssuedToken | undefined {
    return this.#tokens.get(accessToken)
  }
}

/** The errcode with which an ordinary API call refuses this token, if it does. */
export function refusalOf(token: IssuedToken, now: number): 40001 | 42001 | undefined {
  const notLatest = token.worksUntil < token.expiresAt && now >= token.worksUntil
  if (token.refused || notLatest) return 40001
  return now >= token.expiresAt ? 42001 : undefined
}
