import type { StableToken } from './stable-token.js'

/**
 * A token in this process's memory, fetched by one call at a time however many ask. All the ways to keep a token on
 * the main thread are this with somebody who calls `refresh` ahead, or nobody.
 */
export class HeldToken {
  readonly #fetch: () => Promise<StableToken>
  readonly #margin: number
  #token: StableToken
  #refreshing: Promise<string> | undefined

  private constructor(token: StableToken, fetch: () => Promise<StableToken>, margin: number) {
    this.#token = token
    this.#fetch = fetch
    this.#margin = margin
  }

  /** Resolves with the first token in hand. `margin`, ms: so long before its end a token is not given any more. */
  static async create(fetch: () => Promise<StableToken>, margin = 0): Promise<HeldToken> {
    return new HeldToken(await fetch(), fetch, margin)
  }

  /** ms that the token has left. */
  get left(): number {
    return this.#token.expiresAt - Date.now()
  }

  get(): string | Promise<string> {
    return this.left > this.#margin ? this.#token.accessToken : this.refresh()
  }

  refresh(): Promise<string> {
    this.#refreshing ??= this.#replace().finally(() => (this.#refreshing = undefined))
    return this.#refreshing
  }

  async #replace(): Promise<string> {
    this.#token = await this.#fetch()
    return this.#token.accessToken
  }
}
