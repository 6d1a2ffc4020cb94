import type { ServerReport } from './messages.js'
import type { TokenHolder } from './tokens/holder.js'

/** ms; a request has waited for its token when it was not there at once and took longer than this. */
export const WAITED = 5
/** So many different errors are told. */
const MOST_ERRORS = 5

/** Hands tokens out, and counts the requests that had to wait for theirs or found none. */
export class Waits {
  readonly #holder: TokenHolder
  readonly #waited: number[] = []
  readonly #errors = new Set<string>()

  constructor(holder: TokenHolder) {
    this.#holder = holder
  }

  /** @throws what the holder throws where there is no token */
  take(): string | Promise<string> {
    let token
    try {
      token = this.#holder.get()
    } catch (error) {
      this.foundNone()
      throw error
    }
    return typeof token === 'string' ? token : this.#timed(token)
  }

  foundNone(): void {
    this.#waited.push(Date.now())
  }

  failed(error: unknown): void {
    if (this.#errors.size < MOST_ERRORS)
      this.#errors.add(error instanceof Error ? error.message : String(error))
  }

  report(): ServerReport {
    return { waited: this.#waited, errors: [...this.#errors] }
  }

  async #timed(token: Promise<string>): Promise<string> {
    const asked = performance.now()
    try {
      const accessToken = await token
      if (performance.now() - asked > WAITED) this.#waited.push(Date.now())
      return accessToken
    } catch (error) {
      this.foundNone()
      throw error
    }
  }
}
