/** Calls of one of the two token endpoints. */
export interface TokenCounters {
  /** Calls that came in, whatever became of them. */
  calls: number
  /** Calls that made a new token. */
  issued: number
  /** Calls that brought the token there was. */
  unchanged: number
  /** Calls answered with an errcode, injected ones too. */
  refused: number
}

/** What happened so far, at one account or at all. Control calls and `rotate` don't count. */
export interface Counters {
  /** Token calls that came in, classic and stable, whatever became of them. */
  tokenCalls: number
  /** Token calls that made a new token. A `half-body` fault makes one too: its answer gets lost. */
  issued: number
  /** Token calls that brought the token there was (stable only). */
  unchanged: number
  /** Stable calls with `force_refresh: true`, whatever became of them. */
  forced: number
  /** Token calls answered with an errcode, injected ones too. */
  refusedCalls: number
  /** Calls that used a token (or should have): API calls, tickets, quota resets. */
  apiCalls: number
  /** Of those, the ones answered with an errcode, injected ones too. */
  apiRefused: number
  /** Requests that an injected fault struck; a delay or a hold alone counts. */
  faults: number
  /** `/cgi-bin/token` alone. */
  classic: TokenCounters
  /** `/cgi-bin/stable_token` alone. */
  stable: TokenCounters
}

const noTokenCalls = (): TokenCounters => ({ calls: 0, issued: 0, unchanged: 0, refused: 0 })

const nothing = (): Counters => ({
  ...{ tokenCalls: 0, issued: 0, unchanged: 0, forced: 0, refusedCalls: 0 },
  ...{ apiCalls: 0, apiRefused: 0, faults: 0 },
  classic: noTokenCalls(),
  stable: noTokenCalls(),
})

/** What is counted of a call: on arrival (`arrived`, `struck`), and by its answer. */
export interface Counted {
  readonly kind: 'token' | 'stable_token' | 'api' | 'ticket' | 'quota'
  readonly appId?: string | undefined
  readonly forced: boolean
}

/** Counts calls, each at its account and in the sum. Calls of unknown AppIDs are in the sum only. */
export class Tally {
  readonly #sum = nothing()
  readonly #accounts: ReadonlyMap<string, Counters>

  constructor(appIds: readonly string[]) {
    this.#accounts = new Map(appIds.map((appId) => [appId, nothing()]))
  }

  /** A copy of what was counted at one account, or of the sum. */
  counters(appId?: string): Counters {
    const counted = appId === undefined ? this.#sum : this.#accounts.get(appId)
    return structuredClone(counted ?? nothing())
  }

  arrived(call: Counted): void {
    this.#count(call, (all, endpoint) => {
      if (!endpoint) all.apiCalls += 1
      else {
        all.tokenCalls += 1
        endpoint.calls += 1
        if (call.forced) all.forced += 1
      }
    })
  }

  struck(call: Counted): void {
    this.#count(call, (all) => (all.faults += 1))
  }

  answered(call: Counted, outcome: 'issued' | 'unchanged' | 'ok' | 'refused'): void {
    this.#count(call, (all, endpoint) => {
      if (outcome === 'ok') return
      if (!endpoint) {
        if (outcome === 'refused') all.apiRefused += 1
        return
      }
      endpoint[outcome] += 1
      all[outcome === 'refused' ? 'refusedCalls' : outcome] += 1
    })
  }

  #count(call: Counted, change: (all: Counters, endpoint?: TokenCounters) => void): void {
    for (const all of [this.#sum, this.#accounts.get(call.appId ?? '')]) {
      if (!all) continue
      if (call.kind === 'token') change(all, all.classic)
      else if (call.kind === 'stable_token') change(all, all.stable)
      else change(all)
    }
  }
}
