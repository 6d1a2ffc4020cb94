import autocannon from 'autocannon'
import { requestMix } from './mix.js'
import type { Samples } from './samples.js'

export interface TrafficOptions {
  readonly port: number
  readonly appId: string
  readonly connections: number
  /** ms before the first sample. */
  readonly warmUp: number
  /** ms in which samples are taken. */
  readonly measure: number
  /** Stops it early. */
  readonly signal: AbortSignal
  /** Called with the requests/s of the last moment, for the display. */
  readonly onProgress: (requestsPerSecond: number) => void
}

/** What the clients saw. */
export interface Seen {
  /** When the first sample could be taken, ms since 1970. */
  readonly startedAt: number
  readonly samples: Samples
  /** Answers other than 200, and connections that broke, by what was wrong. */
  readonly failed: ReadonlyMap<string, number>
}

/** s; for a server that answers nothing. */
const LIMIT = 30
/** ms between two looks at whether it is over. */
const LOOK = 50
/** ms between two words to the display. */
const TELL = 250

const now = (): number => performance.timeOrigin + performance.now()

/** Hundreds of connections, each of which asks again as soon as it is answered, from the warm-up to the end. */
export async function traffic(options: TrafficOptions): Promise<Seen> {
  const { port, appId, connections, warmUp, measure, signal, onProgress } = options
  signal.throwIfAborted()
  const lists = requestMix(appId)
  let clients = 0
  let startedAt = Infinity
  let endsAt = Infinity
  const endedAt: number[] = []
  const latency: number[] = []
  const failed = new Map<string, number>()
  const fail = (what: string): unknown => failed.set(what, (failed.get(what) ?? 0) + 1)
  let answered = 0

  await new Promise<void>((resolve, reject) => {
    const cannon = autocannon(
      {
        url: `http://127.0.0.1:${port}`,
        connections,
        // It is stopped below: so that the samples come from connections that are all at work.
        duration: (warmUp + measure) / 1_000 + LIMIT,
        sampleInt: LOOK,
        setupClient: (client) => client.setRequests(lists[clients++ % lists.length] ?? []),
      },
      (error: unknown) => {
        clearInterval(display)
        clearTimeout(end)
        signal.removeEventListener('abort', stop)
        if (error instanceof Error) reject(error)
        else resolve()
      },
    )
    const stop = (): void => cannon.stop()
    let end: NodeJS.Timeout | undefined
    // Counted from the first answer: the clients' own start takes a while.
    const begin = (): void => {
      startedAt = now() + warmUp
      endsAt = startedAt + measure
      end = setTimeout(stop, warmUp + measure)
    }
    const display = setInterval(() => {
      onProgress((answered * 1_000) / TELL)
      answered = 0
    }, TELL)
    signal.addEventListener('abort', stop)
    cannon.on('response', (_client, status, _bytes, ms) => {
      if (end === undefined) begin()
      answered += 1
      const at = now()
      if (at < startedAt || at >= endsAt) return
      endedAt.push(at - startedAt)
      latency.push(ms)
      if (status !== 200) fail(`status ${status}`)
    })
    cannon.on('reqError', (error: unknown) => {
      const at = now()
      if (at >= startedAt && at < endsAt) fail(error instanceof Error ? error.message : String(error))
    })
  })
  signal.throwIfAborted()
  if (startedAt === Infinity) throw new Error(`the server has not answered within ${LIMIT} s`)
  return { startedAt, samples: { ms: measure, endedAt, latency }, failed }
}
