import { inspect } from 'node:util'

/** What a token is, as plain data: what crosses threads. Instants are ms since the epoch. */
export interface TokenData {
  readonly accessToken: string
  /** When it was asked for: the moment before its request was sent. */
  readonly issuedAt: number
  readonly expiresAt: number
  /** Grows with each new token, across restarts too: of two tokens, the higher generation is the newer. */
  readonly generation: number
}

/** An access token. `JSON.stringify` writes it whole; `util.inspect` and `console.log` mask it. */
export class Token implements TokenData {
  readonly accessToken: string
  readonly issuedAt: number
  readonly expiresAt: number
  readonly generation: number

  constructor(data: TokenData) {
    this.accessToken = data.accessToken
    this.issuedAt = data.issuedAt
    this.expiresAt = data.expiresAt
    this.generation = data.generation
    Object.freeze(this)
  }

  [inspect.custom](): string {
    return (
      `Token { accessToken: '${maskToken(this.accessToken)}', generation: ${this.generation}, ` +
      `issuedAt: ${showInstant(this.issuedAt)}, expiresAt: ${showInstant(this.expiresAt)} }`
    )
  }
}

/** Enough of a token to tell two apart, never enough to use: `68_x…(157)`; a short one shows its length only. */
function maskToken(accessToken: string): string {
  const shown = accessToken.length >= 32 ? accessToken.slice(0, 4) : ''
  return `${shown}…(${accessToken.length})`
}

/** An instant for people: ISO 8601, or the number where it is beyond what a date can hold. */
export function showInstant(ms: number): string {
  return Number.isFinite(ms) && Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : String(ms)
}
