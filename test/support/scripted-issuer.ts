import type { Clock } from '../../src/clock.js'
import type { Answer, Refusal } from '../../workers/providers/provider.js'
import type { Issuer, TokenCall } from '../../workers/issuer.js'
import type { Limits } from '../../workers/schedule.js'

export const STABLE: Limits = { perDay: 500_000, dayOffset: 480, force: { perDay: 20, spacing: 31_000 } }
export const CLASSIC: Limits = { perDay: 2000, dayOffset: 480, force: undefined }

export interface IssuerCall {
  readonly at: number
  readonly mono: number
  readonly forced: boolean
  /** ms */
  readonly timeout: number
}

export type Reply = Answer | ((forced: boolean) => Answer | Promise<Answer>)

/** An issuer that answers as a test says, and remembers each call. */
export class ScriptedIssuer implements Issuer {
  readonly requestSide = {
    place: { in: 'query', name: 'access_token' },
    refused: { statuses: [], field: 'errcode', codes: [40001] },
    origins: ['http://127.0.0.1'],
    except: [],
  } as const
  readonly calls: IssuerCall[] = []
  inFlight = 0
  mostInFlight = 0
  /** Answers, first come first served; when they have run out, `otherwise` answers. */
  readonly script: Reply[] = []
  otherwise: Reply = () => this.grant()
  #issued = 0

  readonly limits: Limits
  readonly #clock: Clock
  readonly #life: number

  constructor(limits: Limits, clock: Clock, life = 7_200_000) {
    this.limits = limits
    this.#clock = clock
    this.#life = life
  }

  /** A token that was not there before. */
  grant(life = this.#life): Answer {
    this.#issued += 1
    return { granted: true, accessToken: `token-${String(this.#issued)}`, life }
  }

  same(accessToken: string, life = this.#life): Answer {
    return { granted: true, accessToken, life }
  }

  get retires(): boolean {
    return this.limits.force === undefined
  }

  async fetch({ forced, timeout }: TokenCall, signal: AbortSignal): Promise<Answer> {
    this.calls.push({ at: this.#clock.now(), mono: this.#clock.monotonic(), forced, timeout })
    this.inFlight += 1
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight)
    try {
      const reply = this.script.shift() ?? this.otherwise
      const aborted = new Promise<Answer>((resolve) => {
        signal.addEventListener('abort', () => resolve(transient('ERR_CLOSED')), { once: true })
      })
      return await Promise.race([typeof reply === 'function' ? reply(forced) : reply, aborted])
    } finally {
      this.inFlight -= 1
    }
  }
}

export function transient(
  code: 'ERR_CONNECTION' | 'ERR_TIMEOUT' | 'ERR_BAD_ANSWER' | 'ERR_CLOSED' = 'ERR_CONNECTION',
): Refusal {
  return { granted: false, failure: { code, message: 'scripted', retryable: true }, wait: { why: 'backoff' } }
}

export function operatorError(ms = 60_000): Answer {
  return {
    granted: false,
    failure: { code: 'ERR_ISSUER_REFUSED', message: 'scripted', retryable: false, errcode: 40125 },
    wait: { why: 'operator', ms },
  }
}

export function limitReached(ms: number | 'day'): Answer {
  return {
    granted: false,
    failure: { code: 'ERR_ISSUER_REFUSED', message: 'scripted', retryable: true, errcode: 45009 },
    wait: { why: 'limit', ms },
  }
}
