import { once } from 'node:events'
import { startSimulator } from '../simulator/index.js'
import { type TokenSource, TokenThread } from '../src/index.js'
import { median } from './figures.js'
import type { Report, Row, Table } from './report.js'

/** What a read costs, beside a property and `Date.now()`: less no read can cost that never gives an expired token. */

const READS = 500_000
const ROUNDS = 25
const WARM_UP = 3

class Bare {
  readonly #accessToken: string
  readonly #expiresAt: number

  constructor(accessToken: string, expiresAt: number) {
    this.#accessToken = accessToken
    this.#expiresAt = expiresAt
  }

  get(): string {
    if (Date.now() >= this.#expiresAt) throw new Error('expired')
    return this.#accessToken
  }
}

/** Reads READS times and gives what it read, summed up, so that no read can be left out. */
type Loop = () => number

// One loop a reader, in full: a shared one would call whatever it is given through a slower, polymorphic call.
const bareLoop =
  (bare: Bare): Loop =>
  () => {
    let sum = 0
    for (let i = 0; i < READS; i++) sum += bare.get().length
    return sum
  }

const getLoop =
  (tokens: TokenThread): Loop =>
  () => {
    let sum = 0
    for (let i = 0; i < READS; i++) sum += tokens.get().length
    return sum
  }

const currentLoop =
  (tokens: TokenThread): Loop =>
  () => {
    let sum = 0
    for (let i = 0; i < READS; i++) sum += tokens.current?.accessToken.length ?? 0
    return sum
  }

const accountLoop =
  (tokens: TokenThread, id: string): Loop =>
  () => {
    let sum = 0
    for (let i = 0; i < READS; i++) sum += tokens.account(id).get().length
    return sum
  }

const sourceLoop =
  (source: TokenSource): Loop =>
  () => {
    let sum = 0
    for (let i = 0; i < READS; i++) sum += source.get().length
    return sum
  }

const marginLoop =
  (tokens: TokenThread): Loop =>
  () => {
    let sum = 0
    for (let i = 0; i < READS; i++) sum += tokens.get().length
    return sum
  }

/** Alternates the loops; each round's figure is compared with the bare read of the same round. */
function measure(loops: Readonly<Record<string, Loop>>, rounds: number): Row[] {
  const times = new Map<string, number[]>(Object.keys(loops).map((name) => [name, []]))
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const [name, loop] of Object.entries(loops)) {
      const began = process.hrtime.bigint()
      const sum = loop()
      const took = Number(process.hrtime.bigint() - began)
      if (sum === 0 || sum % READS !== 0) throw new Error(`${name} did not always read the same token`)
      if (round >= 0) times.get(name)?.push(took / READS)
    }
  }
  const bare = times.get(BARE) ?? []
  return [...times].map(([name, ns]) => ({
    name,
    figures: {
      'ns a read': median(ns),
      'times the bare read': median(ns.map((one, round) => one / (bare[round] ?? NaN))),
    },
  }))
}

const BARE = 'a property and Date.now()'
const GET = 'get()'

async function steady(): Promise<Table> {
  const accounts = ['a', 'b', 'c'].map((id) => ({ id, appId: `wx-${id}`, appSecret: 'secret' }))
  const sim = await startSimulator({
    accounts: accounts.map(({ appId, appSecret }) => ({ appId, appSecret })),
  })
  const { baseUrl } = sim.options('wx-a')
  const tokens = await TokenThread.start({ ...sim.options('wx-a'), logger: false })
  const several = await TokenThread.start({ accounts, baseUrl, logger: false })
  const loops = {
    [BARE]: bareLoop(new Bare(tokens.get(), Date.now() + 7_200_000)),
    [GET]: getLoop(tokens),
    current: currentLoop(tokens),
    'account(id).get() of three': accountLoop(several, 'b'),
    'the source’s get() of three': sourceLoop(several.account('c')),
  }
  const rows = measure(loops, ROUNDS)
  await Promise.all([tokens.close(), several.close()])
  await sim.close()
  return { title: 'the token is far from its margin', rows }
}

/** A token stays inside its margin for as long as refreshes fail; each read looks for news then. */
async function insideMargin(): Promise<Table> {
  const sim = await startSimulator({ accounts: [{ appId: 'wx', appSecret: 'secret' }], expiresIn: 8 })
  const retry = { minDelay: 1_000, maxDelay: 1_000 }
  const tokens = await TokenThread.start({ ...sim.options('wx'), refreshAhead: 4_000, retry, logger: false })
  sim.inject({ then: 'reset' })
  await once(tokens, 'failure')
  const expires = tokens.current?.expiresAt ?? 0
  const rows = measure(
    { [BARE]: bareLoop(new Bare(tokens.get(), expires)), 'get() inside the margin': marginLoop(tokens) },
    10,
  )
  await tokens.close()
  await sim.close()
  return { title: 'the token is inside its margin: each read drains the port', rows }
}

export async function read(): Promise<Report> {
  const tables = [await steady(), await insideMargin()]
  const ratio = tables[0]?.rows.find(({ name }) => name === GET)?.figures['times the bare read'] ?? NaN
  return { bench: 'read', tables, aims: [{ what: 'get() beside the bare read', ratio, limit: 1.5 }] }
}
