import type { ModeFigures } from './figures.js'

export interface Column {
  readonly title: string
  readonly cell: (figures: ModeFigures) => string
}

const latency = (value: number): string => value.toFixed(1)

/** The columns of the table, in the terminal and in the report. */
export const COLUMNS: readonly Column[] = [
  { title: 'mode', cell: ({ mode }) => mode },
  { title: 'requests/s', cell: ({ rps }) => rps.toFixed(1) },
  { title: 'p50 ms', cell: ({ p50 }) => latency(p50) },
  { title: 'p99 ms', cell: ({ p99 }) => latency(p99) },
  { title: 'p99.9 ms', cell: ({ p999 }) => latency(p999) },
  { title: 'max ms', cell: ({ max }) => latency(max) },
  { title: 'waited', cell: ({ waited }) => String(waited) },
  { title: 'refused', cell: ({ refused }) => String(refused) },
  { title: 'fetches', cell: ({ fetches }) => String(fetches) },
  { title: 'rotations', cell: ({ rotations }) => String(rotations) },
]

export function textTable(modes: readonly ModeFigures[]): string {
  const rows = [
    COLUMNS.map(({ title }) => title),
    ...modes.map((one) => COLUMNS.map(({ cell }) => cell(one))),
  ]
  const widths = COLUMNS.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join('  '),
    )
    .join('\n')
}
