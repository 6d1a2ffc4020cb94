import type { Clock } from '../../src/clock.js'
import type { Answer } from '../../workers/providers/provider.js'
import { transient } from './scripted-issuer.js'

const LIFE = 7_200_000
const WINDOW = 300_000

interface Issued {
  readonly accessToken: string
  readonly at: number
}

/** Which tokens there are and which of them APIs take, by the rules of WeChat's two endpoints. */
export class VirtualWechat {
  readonly #clock: Clock
  readonly #endpoint: 'stable' | 'classic'
  #last: Issued | undefined
  /** The one before, and when the last one retired it. */
  #retired: { readonly accessToken: string; readonly until: number } | undefined
  isDown = false
  issued = 0

  constructor(clock: Clock, endpoint: 'stable' | 'classic') {
    this.#clock = clock
    this.#endpoint = endpoint
  }

  /** A token call. */
  ask(forced: boolean): Answer {
    if (this.isDown) return transient('ERR_BAD_ANSWER')
    const last = this.#last
    const left = last ? last.at + LIFE - this.#clock.monotonic() : 0
    if (last && this.#endpoint === 'stable' && !forced && left > WINDOW)
      return { granted: true, accessToken: last.accessToken, life: left }
    return { granted: true, accessToken: this.rotate(), life: LIFE }
  }

  /** A new token, whoever asks. */
  rotate(): string {
    const now = this.#clock.monotonic()
    if (this.#last) this.#retired = { accessToken: this.#last.accessToken, until: now + WINDOW }
    this.issued += 1
    this.#last = { accessToken: `token-${this.issued}`, at: now }
    return this.#last.accessToken
  }

  /** No API takes the last token any more, nor the one before. */
  revoke(): void {
    this.rotate()
    this.#retired = undefined
  }

  /** Whether an API takes it now. */
  takes(accessToken: string): boolean {
    const now = this.#clock.monotonic()
    if (accessToken === this.#last?.accessToken) return now < this.#last.at + LIFE
    return accessToken === this.#retired?.accessToken && now < this.#retired.until
  }
}
