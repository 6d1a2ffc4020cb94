import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { median, quantile } from './figures.js'
import type { Report, Row } from './report.js'
import { startTokenServer } from './token-server.js'

/** What starting costs, beside the least that could bring a token: an empty worker with undici that asks once. */

const SAMPLES = 20
/**
 * RSS comes in two steps, some 9 MiB apart: in about every second process, whatever runs in the worker, one more of
 * glibc's arenas is resident. A median is on one step or on the other by chance: the low step is compared.
 */
const LOW = 0.1
const run = promisify(execFile)

/** One start, measured by `start-up-sample` in a process of its own. */
export interface Sample {
  /** Loading the package on the main thread, ms; apart from the rest. */
  readonly imported: number
  /** From the call until the token is there, ms. */
  readonly started: number
  /** Bytes of RSS that came with it. */
  readonly added: number
}

const SAMPLED = ['empty-fetch', 'empty-request', 'TokenThread'] as const
const NAMES = {
  'empty-fetch': 'an empty worker with undici and one fetch()',
  'empty-request': 'an empty worker with undici and one request()',
  TokenThread: 'TokenThread.start',
}
type Sampled = (typeof SAMPLED)[number]

async function sample(what: Sampled, url: string): Promise<Sample> {
  const file = new URL('./start-up-sample.js', import.meta.url)
  const { stdout } = await run(process.execPath, [fileURLToPath(file), what, url])
  const found: unknown = JSON.parse(stdout)
  if (!isSample(found)) throw new Error(`the sample printed something else: ${stdout}`)
  return found
}

export async function startUp(): Promise<Report> {
  const server = await startTokenServer({
    appIds: ['wx'],
    expiresIn: 7200,
    renewalWindow: 300,
    overlap: 300,
    gzip: false,
  })
  const samples = new Map<Sampled, Sample[]>(SAMPLED.map((what) => [what, []]))
  for (let i = -1; i < SAMPLES; i++) {
    for (const what of SAMPLED) {
      const one = await sample(what, server.url)
      // The first of each fills the file cache.
      if (i >= 0) samples.get(what)?.push(one)
    }
  }
  await server.close()
  const row = (what: Sampled): Row => {
    const all = samples.get(what) ?? []
    const started = all.map((one) => one.started)
    const added = all.map((one) => one.added / 2 ** 20)
    return {
      name: NAMES[what],
      figures: {
        'ms to the token': median(started),
        'p90 ms': quantile(started, 0.9),
        'MiB added, p10': quantile(added, LOW),
        'median MiB': median(added),
        'p90 MiB': quantile(added, 0.9),
        'before it: ms to import the package': median(all.map(({ imported }) => imported)),
      },
    }
  }
  const ratio = (q: number, of: (sample: Sample) => number, to: Sampled): number => {
    const [ours = NaN, empty = NaN] = ['TokenThread' as const, to].map((what) =>
      quantile((samples.get(what) ?? []).map(of), q),
    )
    return ours / empty
  }
  return {
    bench: 'start-up',
    tables: [
      {
        title: `the first token, median of ${SAMPLES} fresh processes each`,
        rows: SAMPLED.map(row),
      },
    ],
    aims: (['empty-fetch', 'empty-request'] as const).flatMap((to) => [
      {
        what: `time to the token beside ${NAMES[to]}`,
        ratio: ratio(0.5, ({ started }) => started, to),
        limit: 1.3,
      },
      {
        what: `RSS added beside ${NAMES[to]}`,
        ratio: ratio(LOW, ({ added }) => added, to),
        limit: 1.2,
      },
    ]),
  }
}

function isSample(value: unknown): value is Sample {
  return (
    typeof value === 'object' &&
    value !== null &&
    'imported' in value &&
    'started' in value &&
    'added' in value
  )
}
