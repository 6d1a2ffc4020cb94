import { pbkdf2 } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { TokenThread, TokenThreadError } from '../src/index.js'
import type { BareTimersData } from './bare-timers.js'
import { type Chains, type Firing, startChains } from './chains.js'
import { quantile, spread } from './figures.js'
import type { Aim, Report, Table } from './report.js'
import { type Arrival, startTokenServer } from './token-server.js'
import { Watch } from './watch.js'

/**
 * How late a refresh is while the main thread is blocked 60 % of the time. Measured where it counts: when the request
 * arrived at the token server, a process of its own, after the instant that `nextRefreshAt` had promised.
 */

const BLOCKED = 300
const FREE = 200
const ROUNDS = 4
const ROUND = 20_000
/** Few: one thread asks for one token at a time in earnest, and two that are due together would wait for each other. */
const ACCOUNTS = 4

/** A rotation each 1.0 to 1.4 s; accounts differ, so that they don't refresh in step. */
const LIVES = { expiresIn: 2, renewalWindow: 1.5, overlap: 1 }
const refreshAhead = (i: number): number => 600 + (400 * i) / ACCOUNTS
/** ms; with a store a quarter more must be less than the least `refreshAhead`. */
const TIMEOUT = 400
const CHAINS: Chains = { chains: ACCOUNTS, shortest: 1_000, longest: 1_400 }

interface Setting {
  readonly title: string
  readonly short: string
  /** In the base URL of TokenThread and of the main thread's refresher. */
  readonly host: string
  readonly gzip: boolean
  readonly saturated: boolean
  /** Where TokenThread keeps its tokens: in its thread, or in a file. */
  readonly store: 'memory' | 'file'
}

const IN_MEMORY: readonly Setting[] = [
  {
    title: 'the main thread blocked 60 %',
    short: 'blocked',
    host: '127.0.0.1',
    gzip: false,
    saturated: false,
    store: 'memory',
  },
  {
    title: 'the same, libuv’s pool saturated, a host name in the URL, gzipped answers',
    short: 'blocked and saturated',
    host: 'localhost',
    gzip: true,
    saturated: true,
    store: 'memory',
  },
]

const SETTINGS: readonly Setting[] = [
  ...IN_MEMORY,
  ...IN_MEMORY.map((setting) => ({
    ...setting,
    title: `${setting.title}; TokenThread’s store is a file`,
    short: `${setting.short}, file store`,
    store: 'file' as const,
  })),
]

/** ms, all */
interface Found {
  readonly oursBegins: number[]
  readonly ours: number[]
  readonly bareTimer: number[]
  /** The same, of the bare worker that sends a request at each. */
  readonly senderTimer: number[]
  readonly bareRequest: number[]
  readonly mainRequest: number[]
  /** From a token's request at the server to the read that gave it, within a burst. */
  readonly read: number[]
  /** From a worker's `postMessage` to the listener on the blocked thread. */
  readonly listener: number[]
  /** Codes of failed refreshes, and of bursts in which a read failed: there should be none. */
  readonly failures: string[]
}

const nothing = (): Found => ({
  oursBegins: [],
  ours: [],
  bareTimer: [],
  senderTimer: [],
  bareRequest: [],
  mainRequest: [],
  read: [],
  listener: [],
  failures: [],
})

async function round({ host, gzip, saturated, store }: Setting, found: Found): Promise<void> {
  const ids = Array.from({ length: ACCOUNTS }, (_, i) => `ours-${i}`)
  const others = ids.flatMap((_, i) => [`bare-${i}`, `main-${i}`])
  const server = await startTokenServer({ appIds: [...ids, ...others], ...LIVES, gzip })
  const named = server.url.replace('127.0.0.1', host)
  const folder = mkdtempSync(join(tmpdir(), 'token-thread-bench-'))
  const tokens = await TokenThread.start({
    accounts: ids.map((appId, i) => ({ appId, appSecret: 'secret', refreshAhead: refreshAhead(i) })),
    baseUrl: named,
    retry: { minDelay: 10, maxDelay: 300 },
    timeout: TIMEOUT,
    logger: false,
    store: store === 'file' ? { kind: 'file', path: join(folder, 'tokens.json') } : { kind: 'memory' },
  })
  tokens.on('failure', ({ code }) => found.failures.push(code))
  const watches = ids.map((id) => new Watch(tokens, id))
  const bare = startBare(undefined)
  const sender = startBare(server.url)
  // A worker's files are read through libuv's pool: it must have started before that is saturated.
  await Promise.all([bare.started, sender.started])
  const ending = new AbortController()
  const { firings: mainFirings, chains } = startMain(named, ending.signal)
  const pool = saturated ? saturate(ending.signal) : undefined
  await sleep(500)

  const until = Date.now() + ROUND
  while (Date.now() < until) {
    block(watches, found.failures)
    await sleep(FREE)
  }

  ending.abort()
  await Promise.all([...chains, pool, bare.end(), sender.end(), tokens.close()])
  const arrivals = byAccount(await server.arrivals())
  await server.close()
  rmSync(folder, { recursive: true, force: true })

  for (const watch of watches) take(found, watch, arrivals.get(watch.id) ?? [])
  found.bareTimer.push(...bare.heard.map(({ plannedAt, firedAt }) => firedAt - plannedAt))
  found.listener.push(...bare.heard.map(({ firedAt, heardAt }) => heardAt - firedAt))
  found.senderTimer.push(...sender.heard.map(({ plannedAt, firedAt }) => firedAt - plannedAt))
  found.bareRequest.push(...lateness(sender.heard, arrivals, 'bare'))
  found.mainRequest.push(...lateness(mainFirings, arrivals, 'main'))
}

function block(watches: readonly Watch[], failures: string[]): void {
  const until = Date.now() + BLOCKED
  const readable = new Set(watches)
  const read = (watch: Watch, how: 'catchUp' | 'look'): void => {
    try {
      watch[how]()
    } catch (error) {
      // It has expired, as where a disk takes as long as the token lives.
      if (!(error instanceof TokenThreadError)) throw error
      readable.delete(watch)
      failures.push(error.code)
    }
  }
  for (const watch of watches) read(watch, 'catchUp')
  while (Date.now() < until) for (const watch of readable) read(watch, 'look')
}

function take({ oursBegins, ours, read }: Found, { plans, seen }: Watch, arrivals: readonly number[]): void {
  /** Which request brought the token whose call began at `issuedAt`. */
  const requestOf = (issuedAt: number): number => arrivals.findIndex((at) => at >= issuedAt)
  for (const [i, { issuedAt, nextRefreshAt }] of plans.entries()) {
    const request = requestOf(issuedAt)
    const next = arrivals[request + 1]
    if (request >= 0 && next !== undefined) ours.push(next - nextRefreshAt)
    const begins = plans[i + 1]?.issuedAt
    if (begins !== undefined && requestOf(begins) === request + 1) oursBegins.push(begins - nextRefreshAt)
  }
  for (const { issuedAt, at } of seen) {
    const own = arrivals[requestOf(issuedAt)]
    if (own !== undefined) read.push(at - own)
  }
}

/** A chain waits for the answer before its next instant: a firing's request is the first that arrived after it. */
function lateness(
  firings: readonly Firing[],
  arrivals: ReadonlyMap<string, readonly number[]>,
  whose: string,
): number[] {
  return firings.flatMap(({ chain, plannedAt, firedAt }) => {
    const arrived = arrivals.get(`${whose}-${chain}`)?.find((at) => at >= firedAt)
    return arrived === undefined ? [] : [arrived - plannedAt]
  })
}

function byAccount(arrivals: readonly Arrival[]): Map<string, number[]> {
  const by = new Map<string, number[]>()
  for (const { appId, at } of arrivals) by.set(appId, [...(by.get(appId) ?? []), at])
  return by
}

interface Heard extends Firing {
  readonly heardAt: number
}

interface Bare {
  readonly heard: readonly Heard[]
  readonly started: Promise<unknown>
  end(): Promise<unknown>
}

function startBare(sendTo: string | undefined): Bare {
  const workerData: BareTimersData = { ...CHAINS, sendTo }
  const worker = new Worker(new URL('./bare-timers.js', import.meta.url), { workerData })
  const heard: Heard[] = []
  worker.on('message', (firing: Firing) => heard.push({ ...firing, heardAt: Date.now() }))
  return { heard, started: once(worker, 'message'), end: () => worker.terminate() }
}

/** What is usually done: a `setTimeout` on the main thread, and a `fetch`. */
function startMain(
  url: string,
  signal: AbortSignal,
): { readonly firings: readonly Firing[]; readonly chains: readonly Promise<void>[] } {
  const firings: Firing[] = []
  const refresh = async (firing: Firing): Promise<void> => {
    firings.push(firing)
    const appid = `main-${firing.chain}`
    const body = JSON.stringify({ grant_type: 'client_credential', appid, secret: 'secret' })
    while (!signal.aborted) {
      try {
        const answer = await fetch(`${url}/cgi-bin/stable_token`, { method: 'POST', body, signal })
        await answer.text()
        return
      } catch (error) {
        // On a saturated pool the lookup alone may outlast fetch's 10 s: it asks again, as a refresher would.
        // An AbortError is ours: the round is over.
        if (!(error instanceof TypeError || error instanceof DOMException)) throw error
      }
    }
  }
  return { firings, chains: startChains(CHAINS, refresh, signal) }
}

/** Keeps 64 long jobs in libuv's pool, sixteen times what it runs at once. */
async function saturate(signal: AbortSignal): Promise<void> {
  const job = (): Promise<void> =>
    new Promise((resolve, reject) => {
      pbkdf2('password', 'salt', 100_000, 32, 'sha512', (error) => (error ? reject(error) : resolve()))
    })
  const keep = async (): Promise<void> => {
    while (!signal.aborted) await job()
  }
  await Promise.all(Array.from({ length: 64 }, keep))
}

function tableOf({ title }: Setting, found: Found): Table[] {
  return [
    {
      title: `${title}: how late`,
      rows: [
        { name: 'bare worker: its timer fires', figures: spread(found.bareTimer) },
        { name: 'TokenThread: its call begins', figures: spread(found.oursBegins) },
        { name: 'bare worker that sends: its timer fires', figures: spread(found.senderTimer) },
        { name: 'bare worker that sends: its request arrives', figures: spread(found.bareRequest) },
        {
          name: 'TokenThread: its request arrives',
          figures: { ...spread(found.ours), failed: found.failures.length },
        },
        { name: 'setTimeout and fetch on main: its request arrives', figures: spread(found.mainRequest) },
      ],
    },
    {
      title: `${title}: how old it is when the blocked thread has it`,
      rows: [
        { name: 'token, read by get() within the burst', figures: spread(found.read) },
        { name: 'message, heard by a listener', figures: spread(found.listener) },
      ],
    },
  ]
}

/** The first is the aim; the two below compare like with like, for a timer that fires has not yet sent anything. */
function aimsOf({ short }: Setting, found: Found): Aim[] {
  const aim = (what: string, ours: readonly number[], bare: readonly number[]): Aim => ({
    what: `${short}, p99: ${what}`,
    ratio: quantile(ours, 0.99) / quantile(bare, 0.99),
    limit: 1.5,
  })
  return [
    aim('the request’s arrival beside the bare timer', found.ours, found.bareTimer),
    aim('the call’s begin beside the timer of a bare worker that sends', found.oursBegins, found.senderTimer),
    aim('the request’s arrival beside that worker’s request', found.ours, found.bareRequest),
  ]
}

export async function blocked(): Promise<Report> {
  const runs = SETTINGS.map((setting) => ({ setting, found: nothing() }))
  for (let i = 0; i < ROUNDS; i++) for (const { setting, found } of runs) await round(setting, found)
  return {
    bench: 'blocked',
    tables: runs.flatMap(({ setting, found }) => tableOf(setting, found)),
    aims: runs.flatMap(({ setting, found }) => aimsOf(setting, found)),
  }
}
