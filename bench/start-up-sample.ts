import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { Sample } from './start-up.js'

/** One start in a fresh process: `node start-up-sample.js <what> <URL of the token server>`. */

const [what, url = ''] = process.argv.slice(2)

// In all cases, so that they start from the same heap.
const beforeImport = performance.now()
const { TokenThread } = await import('../src/index.js')
const imported = performance.now() - beforeImport
await sleep(50)

const rss = process.memoryUsage.rss()
const before = performance.now()
if (what === 'TokenThread') await startOurs()
else await startEmpty()
const started = performance.now() - before
await sleep(100)
const result: Sample = { imported, started, added: process.memoryUsage.rss() - rss }
process.stdout.write(JSON.stringify(result), () => process.exit())

async function startOurs(): Promise<void> {
  const tokens = await TokenThread.start({ appId: 'wx', appSecret: 'secret', baseUrl: url, logger: false })
  if (tokens.get() === '') throw new Error('no token')
}

async function startEmpty(): Promise<void> {
  const worker = new Worker(new URL(`./${what ?? ''}-worker.js`, import.meta.url), {
    workerData: url,
    env: {},
    execArgv: [],
  })
  const token = await new Promise<unknown>((resolve, reject) => {
    worker.once('message', resolve).once('error', reject)
  })
  if (typeof token !== 'string') throw new Error('no token')
}
