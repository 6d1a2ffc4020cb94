import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { cleanUp } from './cleanup.js'
import { Fleet } from './fleet.js'
import type { StoreFault, Victim } from './fleet-faults.js'
import { APP_ID } from './simulated.js'

const PROCESSES = 16
const SEED = Number(process.env.FLEET_SEED ?? Math.floor(Math.random() * 2 ** 32))
/** Of each kind of fault. */
const TIMES = Number(process.env.CHAOS_TIMES ?? 1)
/** ms; each token call takes so long, for a fault to fall into it. */
const CALL_TAKES = 200
/** Processes that a fault strikes. The one that hears first that the token is refused is among them. */
const STRUCK = 6
/** ms */
const LONGEST_FAULT = 800

/**
 * Fetches that the fault of a round may cost beyond the rotation's own, where each fetch retires the last token. A lease
 * lets one process fetch at a time, so of all that are struck at once one is in its call.
 * - Killed, it takes an answer with it.
 * - Stopped, it has an answer that comes too late, and what that may have made void is replaced.
 * - If the store goes while a token is on its way there, one process has that and another gets the next; which of the two
 *   came last nobody knows, so it is replaced.
 */
const CLASSIC = { kill: 1, stop: 2, store: 2 }
/** Here normal calls bring all the same token, whoever makes them. */
const STABLE = { kill: 0, stop: 0, store: 0 }

/**
 * The test: in each round a rotation, and a fault that falls into it; after each all have one token that works. Readers
 * always have a token, and each fetch too many is a fault's.
 */
export function chaosTest(endpoint: 'stable' | 'classic', victim: () => Victim | Promise<Victim>): void {
  const timeout = 240_000 * TIMES
  test(`keep all readers in tokens on ${endpoint} (FLEET_SEED=${SEED})`, { timeout }, async () => {
    const { store, faults, stopsWithAProcess } = await victim()
    // A call of 2 s at most: another process may take over after a lease of 2.5 s.
    const fleet = await Fleet.create({ endpoint, store, options: { timeout: 2_000 } })
    cleanUp(() => fleet.remove())
    for (let i = 0; i < PROCESSES; i++) fleet.start()
    await fleet.converged()
    fleet.sim.inject({ delay: CALL_TAKES })

    const chaos = new Chaos(fleet, seeded(SEED), endpoint === 'stable')
    const costs = endpoint === 'stable' ? STABLE : CLASSIC
    const kinds = ['kill', 'stop', ...Object.keys(faults)]
    const draw = drawer(kinds, chaos.random)
    let mayCost = 0
    let extra = 0
    for (let round = 1; round <= TIMES * kinds.length; round++) {
      const kind = draw()
      const fault = faults[kind]
      mayCost += fault ? costs.store : kind === 'kill' ? costs.kill : costs.stop
      if (fault) await chaos.strikesTheStore(kind, fault)
      else if (kind === 'kill') await chaos.kills()
      else await chaos.stops(stopsWithAProcess)
      await fleet.converged()
      extra = fleet.sim.counters(APP_ID).issued - 1 - round
      const { forced } = fleet.sim.counters(APP_ID)
      chaos.tell(`fetches beyond ${round} rotations: ${extra}, explained: ${mayCost}; forced: ${forced}`)
      expect(extra, chaos.story).toBeGreaterThanOrEqual(0)
      expect(extra, chaos.story).toBeLessThanOrEqual(mayCost)
    }

    const used = await Promise.all(fleet.nodes.map((node) => node.ask({ do: 'use' })))
    expect(
      used.map(({ errcode }) => errcode),
      chaos.story,
    ).toEqual(Array(PROCESSES).fill(0))
    expect(
      fleet.all.flatMap(({ unreadable }) => unreadable),
      chaos.story,
    ).toEqual([])
    expect(fleet.sim.counters(APP_ID).forced, chaos.story).toBe(0)
    // A fetch too many may make void what readers hold, until they hear of the next.
    expect(fleet.refusedBut(chaos.revoked).length, chaos.story).toBeLessThanOrEqual(extra)
  })
}

class Chaos {
  readonly random: Random
  /** Tokens that the test made void, one a round. */
  readonly revoked: string[] = []
  readonly #fleet: Fleet
  /** Whether processes may refresh while the store is down: then readers must have their token before it is back. */
  readonly #refreshesAlone: boolean
  readonly #told: string[] = [`seed ${SEED}`]

  constructor(fleet: Fleet, random: Random, refreshesAlone: boolean) {
    this.#fleet = fleet
    this.random = random
    this.#refreshesAlone = refreshesAlone
  }

  /** For whoever reads a failure. */
  get story(): string {
    return this.#told.join('\n')
  }

  tell(what: string): void {
    this.#told.push(what)
  }

  async kills(): Promise<void> {
    const { struck } = await this.#rotation('kill')
    await Promise.all(struck.map((node) => this.#fleet.kill(node)))
    // Those that are left must come by a token without them.
    await this.#fleet.converged()
    struck.forEach(() => this.#fleet.start())
  }

  /** `isHeldUp`: the others may have to wait for those that are stopped. */
  async stops(isHeldUp: boolean): Promise<void> {
    const { struck, lasts } = await this.#rotation('stop')
    await Promise.all(struck.map((node) => node.stop()))
    if (!isHeldUp) await this.#fleet.converged()
    await sleep(lasts)
    for (const node of struck) node.wake()
  }

  async strikesTheStore(name: string, fault: StoreFault): Promise<void> {
    const { lasts } = await this.#rotation(name)
    const end = await fault()
    if (this.#refreshesAlone) await this.#fleet.converged()
    else await sleep(lasts)
    await end()
  }

  /** The API refuses the token from now on, and one process hears of it; resolves when the fault is to begin. */
  async #rotation(fault: string) {
    const fleet = this.#fleet
    const struck = shuffled(fleet.nodes, this.random).slice(0, STRUCK)
    const isInCall = this.random() < 0.5
    const begins = this.random() * CALL_TAKES
    const lasts = this.random() * LONGEST_FAULT
    const since = isInCall ? 'a token call' : 'the rejection'
    this.tell(`${fault}: ${Math.round(begins)} ms after ${since}, for ${Math.round(lasts)} ms`)
    const bad = fleet.live ?? ''
    this.revoked.push(bad)
    const called = tokenCall(fleet)
    fleet.sim.revoke(APP_ID)
    void struck[0]?.ask({ do: 'reject', accessToken: bad })
    if (isInCall) await called
    await sleep(begins)
    return { struck, lasts }
  }
}

/** The next one that comes in. */
function tokenCall({ sim }: Fleet): Promise<void> {
  return new Promise((resolve) => {
    const look = ({ kind }: { readonly kind: string }): void => {
      if (kind !== 'token' && kind !== 'stable_token') return
      sim.off('request', look)
      resolve()
    }
    sim.on('request', look)
  })
}

type Random = () => number

/** Each of them before any comes again, in an order by chance. */
function drawer(kinds: readonly string[], random: Random): () => string {
  let bag: string[] = []
  return () => {
    if (bag.length === 0) bag = shuffled(kinds, random)
    return bag.pop() ?? ''
  }
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  return list
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

/** Numbers by chance, the same ones for one seed (mulberry32). */
function seeded(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
