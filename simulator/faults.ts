import type { CallKind } from './call.js'

/**
 * How a struck request is answered.
 * - `'reset'`: the connection is reset before an answer
 * - `'half-body'`: the normal answer (it may issue a token!) with its whole content-length, but half its bytes
 * - `'garbage'`: random bytes that say they are JSON
 * - `'html'`: a gateway's 502 page
 * - `'bad-gzip'`: says gzip, is none
 * - `'big-body'`: 5 MB that look like an answer, without a content-length
 * - `'gzip-bomb'`: 50 KB of gzip that inflate to 50 MB
 * - `'endless'`: a body whose bytes keep coming, until the client leaves or 60 s have passed
 * - `'silent'`: never a byte, until the client leaves
 * - `'redirect'`: 302 to `/elsewhere`; a client that follows is seen as a call of that path, answered 404
 * - `{ errcode }`: that refusal, with WeChat's errmsg unless one is given
 * - `{ body }`: any answer: a string or bytes as they are, all else as JSON; status 200 unless given
 */
export type FaultAnswer = FaultName | FaultErrcode | FaultBody

export const faultNames = [
  ...(['reset', 'half-body', 'garbage', 'html', 'bad-gzip', 'big-body', 'gzip-bomb'] as const),
  ...(['endless', 'silent', 'redirect'] as const),
]
export type FaultName = (typeof faultNames)[number]

export interface FaultErrcode {
  errcode: number
  errmsg?: string
}

export interface FaultBody {
  status?: number
  headers?: Readonly<Record<string, string>>
  body: unknown
}

/**
 * Something to go wrong. Faults are of three sorts: those that answer (`then`), those that hold, and those that
 * only delay. The oldest matching fault of each sort strikes a request: so a lasting delay goes together with
 * an errcode, and two faults of one sort with `times` come one after the other.
 */
export interface Fault {
  /** `'token'`: both token calls; `'api'`: all that use a token; `'all'`. Default: `'token'`. */
  on?: 'token' | 'api' | 'all'
  /** Only calls about this account. Default: all calls. */
  appId?: string
  /** How many requests it strikes. Default: all, until it is removed. */
  times?: number
  /** Milliseconds of real time before the request is looked at. Default: 0. */
  delay?: number
  /** True: the request waits for `release()` (or `remove()`) before it is looked at. Default: false. */
  hold?: boolean
  /** The answer. Default: the normal one, by the state after the wait. */
  then?: FaultAnswer
}

/** The handle of an injected fault. */
export interface Injected {
  /** It strikes no more, and what it holds goes on. */
  remove(): void
  /** How many requests it struck. */
  readonly count: number
  /** Resolves as soon as so many requests (default 1) are held at the same time. */
  held(requests?: number): Promise<void>
  /** What it holds now goes on; later requests are held again. */
  release(): void
}

interface Struck {
  readonly kind: CallKind
  readonly appId: string | undefined
}

const isTokenCall = ({ kind }: Struck): boolean => kind === 'token' || kind === 'stable_token'

class Injection implements Injected {
  readonly fault: Fault
  readonly sort: 'answer' | 'hold' | 'delay'
  readonly #forget: (injection: Injection) => void
  readonly #waiting = new Set<() => void>()
  readonly #watchers = new Set<() => void>()
  #count = 0

  constructor(fault: Fault, forget: (injection: Injection) => void) {
    this.fault = fault
    this.sort = fault.then !== undefined ? 'answer' : fault.hold === true ? 'hold' : 'delay'
    this.#forget = forget
  }

  get count(): number {
    return this.#count
  }

  matches(call: Struck): boolean {
    const { on = 'token', appId } = this.fault
    if (appId !== undefined && appId !== call.appId) return false
    return on === 'all' || (on === 'token') === isTokenCall(call)
  }

  strike(): void {
    this.#count += 1
    if (this.#count === this.fault.times) this.#forget(this)
  }

  /** Waits for the delay and the release; ends early when the client is `gone`. */
  async wait(gone: Promise<void>): Promise<void> {
    const { delay = 0, hold = false } = this.fault
    if (delay > 0) await waitFor(gone, delay)
    if (hold) await this.#hold(gone)
  }

  async #hold(gone: Promise<void>): Promise<void> {
    const released = new Promise<void>((resolve) => {
      const letGo = (): void => {
        this.#waiting.delete(letGo)
        resolve()
      }
      this.#waiting.add(letGo)
      void gone.then(letGo)
    })
    for (const watcher of this.#watchers) watcher()
    await released
  }

  held(requests = 1): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.#waiting.size < requests) return
        this.#watchers.delete(look)
        resolve()
      }
      this.#watchers.add(look)
      look()
    })
  }

  release(): void {
    for (const letGo of this.#waiting) letGo()
  }

  remove(): void {
    this.#forget(this)
    this.release()
  }
}

async function waitFor(gone: Promise<void>, delay: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, delay)
    void gone.then(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/** What strikes one request. */
export interface Strike {
  readonly then: FaultAnswer | undefined
  wait(gone: Promise<void>): Promise<void>
}

/** The faults in force, oldest first. */
export class Faults {
  readonly #injections = new Set<Injection>()

  inject(fault: Fault): Injected {
    const injection = new Injection(fault, (done) => this.#injections.delete(done))
    this.#injections.add(injection)
    return injection
  }

  strike(call: Struck): Strike | undefined {
    const striking = new Map<Injection['sort'], Injection>()
    for (const injection of this.#injections) {
      if (!striking.has(injection.sort) && injection.matches(call)) striking.set(injection.sort, injection)
    }
    if (striking.size === 0) return undefined
    for (const injection of striking.values()) injection.strike()
    return {
      then: striking.get('answer')?.fault.then,
      async wait(gone) {
        await Promise.all([...striking.values()].map((injection) => injection.wait(gone)))
      },
    }
  }
}
