import type { TokenSource, TokenThread } from '../src/index.js'

/** One account's rotations, as seen from the thread that reads. */
export class Watch {
  readonly id: string
  /** Of each token: when its call began, and when the next one was planned. */
  readonly plans: { readonly issuedAt: number; readonly nextRefreshAt: number }[] = []
  /** Of each token that a read found while the event loop was blocked. */
  readonly seen: { readonly issuedAt: number; readonly at: number }[] = []
  readonly #source: TokenSource
  #last: string | undefined

  constructor(tokens: TokenThread, id: string) {
    this.id = id
    this.#source = tokens.account(id)
    this.#source.on('token', () => this.#note())
    this.#note()
  }

  /** A burst begins: what is there already was not seen by a read within it. */
  catchUp(): void {
    this.#last = this.#source.get()
  }

  look(): void {
    const accessToken = this.#source.get()
    if (accessToken === this.#last) return
    const at = Date.now()
    this.#last = accessToken
    this.seen.push({ issuedAt: this.#source.current?.issuedAt ?? NaN, at })
  }

  #note(): void {
    const { issuedAt = NaN, nextRefreshAt = NaN } = this.#source.status()
    this.plans.push({ issuedAt, nextRefreshAt })
  }
}
