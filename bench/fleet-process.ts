import { listenBare } from './fleet-bare.js'
import {
  type FromFleetProcess,
  isFleetProcess,
  machineNow,
  OPERATIONS,
  type Sheet,
  type ToFleetProcess,
} from './fleet-sheet.js'
import { TokenThread } from '../src/index.js'

/** A process of a fleet: some nodes, each with a refresher of its own, or as many bare listeners. */

const given: unknown = JSON.parse(process.argv[2] ?? 'null')
if (!isFleetProcess(given)) throw new Error('this file is a process of a bench')
const { what, nodes: count, kind, at, baseUrl } = given

/** Whoever asked may be gone already. */
const say = (message: FromFleetProcess): void => void process.send?.(message, undefined, {}, () => undefined)
const seen = (what: string): void => say({ type: 'seen', at: machineNow(), what })

interface Node {
  readonly tokens: TokenThread
  readonly sheet: Sheet
}

let failures = 0

async function startNode(): Promise<Node> {
  const sheet: Sheet = {
    kind,
    at,
    counts: new SharedArrayBuffer(4 * OPERATIONS.length),
    published: new SharedArrayBuffer(8),
  }
  const tokens = await TokenThread.start({
    appId: 'wx',
    appSecret: 'secret',
    endpoint: 'classic',
    baseUrl,
    retry: { minDelay: 1, maxDelay: 100 },
    startTimeout: 120_000,
    logger: false,
    store: { kind: 'module', url: new URL('./fleet-store.js', import.meta.url), options: sheet },
  })
  tokens.on('token', ({ generation }) => seen(String(generation)))
  tokens.on('failure', () => (failures += 1))
  return { tokens, sheet }
}

const nodes: Node[] = []
if (what === 'bare') await listenBare(kind, at, count, seen)
else for (let i = 0; i < count; i++) nodes.push(await startNode())

async function rotate({ node, way }: Extract<ToFleetProcess, { type: 'rotate' }>): Promise<void> {
  const one = nodes[node]
  if (!one) throw new Error(`there is no node ${node}`)
  const { tokens, sheet } = one
  const { generation } = way === 'refresh' ? await tokens.refresh() : await tokens.reject(tokens.get())
  const at = Number(Atomics.load(new BigInt64Array(sheet.published), 0)) / 1e6
  say({ type: 'rotated', at, what: String(generation) })
}

process.on('message', (message: ToFleetProcess) => {
  if (message.type === 'rotate') {
    rotate(message).catch((error: unknown) => say({ type: 'failed', why: String(error) }))
  } else {
    const counts = nodes.flatMap(({ sheet }) => [...new Int32Array(sheet.counts)])
    say({ type: 'counted', operations: counts.reduce((sum, one) => sum + one, 0), failures })
  }
})
process.on('disconnect', () => process.exit())
say({ type: 'ready' })
