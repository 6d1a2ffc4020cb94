import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { median } from './figures.js'
import { type Way, WAYS } from './interceptor-ways.js'
import type { Report, Row } from './report.js'

/**
 * Requests per second with an interceptor and without, in alternating rounds against a server in another process. Each
 * is compared with its own client without it, in the same round; undici alone runs twice a round, in two processes: the
 * difference is the noise.
 */

const REQUESTS = 6_000
const ROUNDS = 21
const WARM_UP = 3

const PLAIN = 'undici alone'
const AGAIN = 'undici alone, again'
const IDLE = 'undici with an interceptor that does nothing'
const OURS = 'undici with tokenInterceptor, query'
const AZURE = 'core-rest-pipeline alone'

/** What a process says next. */
async function said(child: ChildProcess): Promise<unknown> {
  const heard: readonly unknown[] = await once(child, 'message')
  return heard[0]
}

async function end(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit')
  child.disconnect()
  await exit
}

async function clientOf(way: Way, api: string): Promise<ChildProcess> {
  const child = fork(new URL('./interceptor-client.js', import.meta.url), [way, api])
  await said(child)
  return child
}

async function rate(client: ChildProcess): Promise<number> {
  client.send(REQUESTS)
  const found = await said(client)
  if (typeof found !== 'number') throw new Error('the client said something else')
  return found
}

async function measure(api: string): Promise<Row[]> {
  const ways = [...WAYS.map((way) => [way, way] as const), [AGAIN, PLAIN] as const]
  const clients = await Promise.all(
    ways.map(async ([name, way]) => ({ name, client: await clientOf(way, api), rates: new Array<number>() })),
  )
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    // Each round begins with another one, so that none always follows the same.
    const first = (round + WARM_UP) % clients.length
    for (const { client, rates } of [...clients.slice(first), ...clients.slice(0, first)]) {
      const found = await rate(client)
      if (round >= 0) rates.push(found)
    }
  }
  await Promise.all(clients.map(({ client }) => end(client)))
  const ratesOf = (wanted: string): number[] => clients.find(({ name }) => name === wanted)?.rates ?? []
  const [plain, again, azureAlone] = [ratesOf(PLAIN), ratesOf(AGAIN), ratesOf(AZURE)]
  // The machine's pace changes from round to round: each is compared with its own client in the same one.
  const undiciAlone = plain.map((one, round) => (one + (again[round] ?? NaN)) / 2)
  return clients.map(({ name, rates }) => {
    const others =
      name === AGAIN || name === PLAIN ? plain : name.startsWith('undici') ? undiciAlone : azureAlone
    return {
      name,
      figures: {
        'requests/s': Math.round(median(rates)),
        '% of its client alone': 100 * median(rates.map((one, round) => one / (others[round] ?? NaN))),
      },
    }
  })
}

export async function interceptor(): Promise<Report> {
  const server = fork(new URL('./api-server-process.js', import.meta.url))
  const api = await said(server)
  if (typeof api !== 'string') throw new Error('the API server said something else')
  const rows = await measure(api)
  await end(server)
  const share = (name: string): number =>
    rows.find((row) => row.name === name)?.figures['% of its client alone'] ?? NaN
  const aim = (what: string, ratio: number): Report['aims'][number] => ({ what, ratio, limit: 1 / 0.95 })
  return {
    bench: 'interceptor',
    tables: [{ title: `${REQUESTS} requests, 50 at a time, median of ${ROUNDS} rounds`, rows }],
    // 95 % of the requests/s is 1 / 0.95 of the time.
    aims: [
      aim('the time of a request with tokenInterceptor beside one without', 100 / share(OURS)),
      aim('the same beside an interceptor that does nothing', share(IDLE) / share(OURS)),
      aim('undici alone beside itself: the noise', Math.max(100 / share(AGAIN), share(AGAIN) / 100)),
    ],
  }
}
