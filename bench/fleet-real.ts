import { setTimeout as sleep } from 'node:timers/promises'
import { barePublisher } from './fleet-bare.js'
import { Fleet } from './fleet-processes.js'
import { STORES } from './fleet-servers.js'
import { type Kind, KINDS, type Way } from './fleet-sheet.js'
import { quantile } from './figures.js'
import type { Aim, Row, Table } from './report.js'
import { startTokenServer } from './token-server.js'

/**
 * A fleet of 1, 8 and 64 nodes on a shared store, each with a refresher of its own, in at most eight processes. One
 * node is made to rotate the token; the others hear of it from the store.
 */

const NODES = [1, 8, 64]
const ROTATIONS = 20
/** ms after a rotation in which nothing new is to come. */
const QUIET = 100

interface Found {
  readonly nodes: number
  readonly fetches: number
  /** Per node and rotation. */
  readonly operations: Readonly<Record<Way, number>>
  /** Per node and rotation, as the server counts; undefined: it does not. */
  readonly scripts: number | undefined
  readonly ages: readonly number[]
  readonly bare: readonly number[]
}

async function measure(kind: Kind, nodes: number): Promise<Found> {
  const store = await STORES[kind]()
  try {
    const bare = await bareAges(kind, store.at, nodes)
    const server = await startTokenServer({
      appIds: ['wx'],
      gzip: false,
      expiresIn: 7200,
      renewalWindow: 300,
      overlap: 300,
      dailyLimit: 100_000,
    })
    const fleet = new Fleet({ what: 'ours', kind, at: store.at, baseUrl: server.url }, nodes)
    try {
      await fleet.ready()
      await sleep(QUIET)
      const fetched = (await server.arrivals()).length
      const scripts = await store.scripts?.()
      const ages: number[] = []
      const operations: Record<Way, number> = { refresh: NaN, reject: NaN }
      for (const way of ['refresh', 'reject'] as const) {
        const before = await fleet.operations()
        for (let i = 0; i < ROTATIONS; i++) {
          const own = await fleet.ages(await fleet.rotate(i, way))
          // Whoever rotated has it before the others, and needs no notice.
          ages.push(...[...own].sort((a, b) => a - b).slice(nodes > 1 ? 1 : 0))
          await sleep(QUIET)
        }
        operations[way] = ((await fleet.operations()) - before) / ROTATIONS / nodes
      }
      const scriptsRun = await store.scripts?.()
      return {
        nodes,
        fetches: ((await server.arrivals()).length - fetched) / ROTATIONS / 2,
        operations,
        scripts:
          scripts === undefined || scriptsRun === undefined
            ? undefined
            : (scriptsRun - scripts) / ROTATIONS / 2 / nodes,
        ages,
        bare,
      }
    } finally {
      await fleet.close()
      await server.close()
    }
  } finally {
    await store.close()
  }
}

/** As many listeners in as many processes, and nothing else. */
async function bareAges(kind: Kind, at: string, nodes: number): Promise<number[]> {
  const fleet = new Fleet({ what: 'bare', kind, at, baseUrl: '' }, nodes)
  try {
    await fleet.ready()
    const publisher = await barePublisher(kind, at)
    const ages: number[] = []
    for (let i = 0; i < 2 * ROTATIONS; i++) {
      ages.push(...(await fleet.ages(await publisher.tell())))
      await sleep(QUIET)
    }
    await publisher.close()
    return ages
  } finally {
    await fleet.close()
  }
}

function rowOf(name: string, { fetches, operations, scripts, ages, bare }: Found): Row {
  const p50 = quantile(ages, 0.5)
  return {
    name,
    figures: {
      'fetches a rotation': fetches,
      'operations a node, refresh()': operations.refresh,
      'reject()': operations.reject,
      ...(scripts !== undefined && { 'scripts at the server, both': scripts }),
      'seen p50 ms': p50,
      'p99 ms': quantile(ages, 0.99),
      'max ms': quantile(ages, 1),
      'bare p50 ms': quantile(bare, 0.5),
      'bare p99 ms': quantile(bare, 0.99),
      'p50, times bare': p50 / quantile(bare, 0.5),
    },
  }
}

export async function real(): Promise<{ readonly tables: readonly Table[]; readonly aims: readonly Aim[] }> {
  const tables: Table[] = []
  const aims: Aim[] = []
  for (const kind of KINDS) {
    const rows: Row[] = []
    const found: Found[] = []
    try {
      for (const nodes of NODES) {
        const one = await measure(kind, nodes)
        found.push(one)
        rows.push(rowOf(`${nodes} ${nodes === 1 ? 'node' : 'nodes'}`, one))
      }
    } catch (error) {
      rows.push({ name: `not measured: ${String(error)}`, figures: {} })
    }
    tables.push({ title: `${kind}: a token rotated on one node`, rows })
    aims.push(...aimsOf(kind, found))
  }
  return { tables, aims }
}

function aimsOf(kind: Kind, found: readonly Found[]): Aim[] {
  const few = found.find(({ nodes }) => nodes === 8)
  const many = found.find(({ nodes }) => nodes === 64)
  return [
    {
      what: `${kind}: fetches a rotation, the most`,
      ratio: found.length < NODES.length ? NaN : Math.max(...found.map(({ fetches }) => fetches)),
      limit: 1,
      unit: 'fetches',
    },
    ...(['refresh', 'reject'] as const).map((way) => ({
      what: `${kind}: operations a node and ${way}(), 64 nodes beside 8`,
      ratio: (many?.operations[way] ?? NaN) / (few?.operations[way] ?? NaN),
      limit: 1.2,
    })),
  ]
}
