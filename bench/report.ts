/** What a bench found. */
export interface Report {
  readonly bench: string
  readonly tables: readonly Table[]
  readonly aims: readonly Aim[]
}

export interface Table {
  readonly title: string
  readonly rows: readonly Row[]
}

/** One line of a table; the columns are the names of its figures, with their units. */
export interface Row {
  readonly name: string
  readonly figures: Readonly<Record<string, number>>
}

/** A figure beside its baseline of the same run; it should be at most `limit` times as much. */
export interface Aim {
  readonly what: string
  /** Of a count that has no baseline: the count. */
  readonly ratio: number
  readonly limit: number
  /** Default: `times`, for a ratio. */
  readonly unit?: string
}

export function show({ bench, tables, aims }: Report): string {
  return [`== ${bench}`, ...tables.map(showTable), aims.map(showAim).join('\n')].join('\n\n')
}

function showTable({ title, rows }: Table): string {
  const columns = [...new Set(rows.flatMap(({ figures }) => Object.keys(figures)))]
  const cells = [
    ['', ...columns],
    ...rows.map(({ name, figures }) => [name, ...columns.map((column) => showFigure(figures[column]))]),
  ]
  const widths = ['', ...columns].map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)))
  const lines = cells.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
  return [title, ...lines].join('\n')
}

function showFigure(figure: number | undefined): string {
  if (figure === undefined) return '-'
  return Number.isInteger(figure) ? String(figure) : figure.toFixed(Math.abs(figure) < 10 ? 2 : 1)
}

function showAim({ what, ratio, limit, unit = 'times' }: Aim): string {
  return `${ratio <= limit ? 'met   ' : 'MISSED'}  ${what}: ${unit === 'times' ? ratio.toFixed(2) : ratio} ${unit} (aim: at most ${limit})`
}
