import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { TokenThread } from '../src/index.js'
import type { PublisherData } from './fan-out-publisher.js'
import type { ThreadData, Way } from './fan-out-thread.js'
import { quantile } from './figures.js'
import type { Report, Row, Table } from './report.js'

/**
 * From publish to seen in N handler threads, which are idle else: by `subscribeTokens`; by bare ports, less than which
 * it can't cost; and by a BroadcastChannel, which needs no introduction and can be spoken on by anybody.
 */

const THREADS = [1, 8, 32]
const WAYS: readonly Way[] = ['a bare port', 'subscribeTokens', 'BroadcastChannel']
const SECONDS = 8
/** ms between two tokens. */
const PERIOD = 100
const CHANNEL = 'token-thread-bench'

const workerAt = (file: string): URL => new URL(file, import.meta.url)

async function ages(way: Way, threads: number): Promise<number[]> {
  const channels = Array.from({ length: way === 'a bare port' ? threads : 0 }, () => new MessageChannel())
  const readers = Array.from({ length: threads }, (_, i) => {
    const port = channels[i]?.port2
    const workerData: ThreadData = { way, port, channel: CHANNEL }
    return new Worker(workerAt('fan-out-thread.js'), { workerData, transferList: port ? [port] : [] })
  })
  const ready = Promise.all(readers.map((reader) => once(reader, 'message')))
  // A subscription comes with a token; the others must be there before the first message, or they would queue.
  if (way !== 'subscribeTokens') await ready
  const stop = await publisher(
    way,
    channels.map(({ port1 }) => port1),
  )
  await ready
  for (const reader of readers) reader.postMessage('begin')
  await setTimeout(SECONDS * 1_000)
  const seen = readers.map(async (reader) => {
    reader.postMessage('report')
    const said: unknown[] = await once(reader, 'message')
    return said.flat().filter((one) => typeof one === 'number')
  })
  const all = (await Promise.all(seen)).flat()
  await Promise.all(readers.map((reader) => reader.terminate()))
  await stop()
  return all
}

async function publisher(way: Way, ports: MessagePort[]): Promise<() => Promise<unknown>> {
  if (way === 'subscribeTokens') {
    const tokens = await TokenThread.start({
      appId: 'wx',
      appSecret: 'secret',
      logger: false,
      refreshAhead: PERIOD,
      retry: { minDelay: 1, maxDelay: 1 },
      workerUrl: workerAt('fan-out-refresher.js'),
    })
    return () => tokens.close()
  }
  const workerData: PublisherData = {
    ports: way === 'a bare port' ? ports : undefined,
    channel: CHANNEL,
    period: PERIOD,
  }
  const worker = new Worker(workerAt('fan-out-publisher.js'), { workerData, transferList: ports })
  await once(worker, 'online')
  return () => worker.terminate()
}

export async function fanOut(): Promise<Report> {
  const tables: Table[] = []
  for (const threads of THREADS) {
    const rows: Row[] = []
    let bare = NaN
    for (const way of WAYS) {
      const seen = await ages(way, threads)
      const p50 = quantile(seen, 0.5)
      if (way === 'a bare port') bare = p50
      rows.push({
        name: way,
        figures: {
          n: seen.length,
          'p50 ms': p50,
          'p99 ms': quantile(seen, 0.99),
          'max ms': quantile(seen, 1),
          'p50, times the bare port': p50 / bare,
        },
      })
    }
    tables.push({ title: `${threads} ${threads === 1 ? 'thread' : 'threads'}`, rows })
  }
  return { bench: 'fan-out', tables, aims: [] }
}
