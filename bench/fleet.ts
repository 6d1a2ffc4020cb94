import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { real } from './fleet-real.js'
import type { Aim, Report, Row } from './report.js'

/**
 * What a fleet asks of its issuer and of its store: 1, 8 and 64 nodes on real stores, and 10,000 simulated ones, the
 * refresher's own loops on a virtual clock.
 */

const FEW = 100
const MANY = 10_000

/** Rows by their names. Most of what the loops allocate lives for one operation: a wide nursery keeps it there. */
async function simulated(
  nodes: number,
  ...args: readonly string[]
): Promise<ReadonlyMap<string, Row['figures']>> {
  const file = fileURLToPath(new URL('./fleet-simulation-process.js', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--max-semi-space-size=64',
    file,
    String(nodes),
    ...args,
  ])
  const rows: unknown = JSON.parse(stdout)
  if (!Array.isArray(rows) || !rows.every(isRow)) throw new Error('the simulation printed something else')
  return new Map(rows.map(({ name, figures }) => [name, figures]))
}

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && 'name' in value && 'figures' in value
}

export async function fleet(): Promise<Report> {
  const { tables, aims } = await real()
  const few = await simulated(FEW, 'long')
  const many = await simulated(MANY)
  const title = (nodes: number): string =>
    `${nodes} simulated nodes: a token call takes 200 ms, the store is 5 ms away, a slow poll each 30 s`
  const rowsOf = (found: ReadonlyMap<string, Row['figures']>): Row[] =>
    [...found].map(([name, figures]) => ({ name, figures }))
  return {
    bench: 'fleet',
    tables: [...tables, { title: title(FEW), rows: rowsOf(few) }, { title: title(MANY), rows: rowsOf(many) }],
    aims: [...aims, ...aimsOf(few, many)],
  }
}

function aimsOf(few: ReadonlyMap<string, Row['figures']>, many: ReadonlyMap<string, Row['figures']>): Aim[] {
  const figure = (found: typeof few, name: string, what: string): number => found.get(name)?.[what] ?? NaN
  const rotations = [...many.keys()].filter((name) => name.startsWith('rotation'))
  return [
    {
      what: `${MANY} nodes: fetches a rotation, the most`,
      ratio: Math.max(...rotations.map((name) => figure(many, name, 'fetches'))),
      limit: 1,
      unit: 'fetches',
    },
    ...[...many.keys()].map((name) => ({
      what: `operations a node, ${MANY} nodes beside ${FEW}: ${name}`,
      ratio: figure(many, name, 'operations a node') / figure(few, name, 'operations a node'),
      limit: 1.2,
    })),
  ]
}
