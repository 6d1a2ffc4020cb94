import type { ModeFigures } from './figures.js'
import type { Bucket } from './samples.js'

/** SVG, as text: no script, no external resource. Colours and fonts come from the page's style. */

const WIDTH = 960

export const escape = (text: string): string => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`)

export interface Timeline {
  readonly id: string
  readonly title: string
  /** What it shows, for those who don't see it. */
  readonly description: string
  /** Latency, of the rounds one after the other. */
  readonly buckets: readonly Bucket[]
  /** ms from the first moment; where a new token was issued. */
  readonly rotations: readonly number[]
  /** ms from the first moment; where a round ends and the next begins. */
  readonly seams: readonly number[]
  /** ms; the length of the time axis. */
  readonly length: number
  /** ms; the top of the latency axis. */
  readonly top: number
}

/** Latency over time: the median as an area, p99 as a line, rotations as marks. */
export function timelineChart(chart: Timeline): string {
  const box = { left: 72, right: WIDTH - 20, top: 16, bottom: 150 }
  const x = (ms: number): number => box.left + ((box.right - box.left) * ms) / chart.length
  const y = (ms: number): number =>
    box.bottom - ((box.bottom - box.top) * Math.min(ms, chart.top)) / chart.top
  const middles = (pick: (bucket: Bucket) => number | undefined): Point[] =>
    chart.buckets.flatMap((bucket) => {
      const value = pick(bucket)
      return value === undefined ? [] : [{ x: x((bucket.from + bucket.to) / 2), y: y(value) }]
    })
  const p50 = middles((bucket) => bucket.p50)
  const p99 = middles((bucket) => bucket.p99)
  const marks = chart.rotations.map((at) => vertical(x(at), box.top, box.bottom, 'rotation'))
  const seams = chart.seams.map((at) => vertical(x(at), box.top, box.bottom, 'seam'))
  return figure(chart, 178, [
    ...yAxis(chart.top, box.left, box.right, y),
    ...xAxis(chart.length, box.bottom, x),
    ...seams,
    `<path class="area" d="${areaPath(p50, box.bottom)}"/>`,
    ...marks,
    `<path class="line p50" d="${linePath(p50)}"/>`,
    `<path class="line p99" d="${linePath(p99)}"/>`,
  ])
}

/** p50, p99, p99.9 and the maximum of each mode, on one logarithmic axis. */
export function latencyChart(modes: readonly ModeFigures[]): string {
  const row = 34
  const box = { left: 96, right: WIDTH - 44, top: 12, bottom: 12 + row * modes.length }
  const values = modes.flatMap(({ p50, max }) => [p50, max]).filter((value) => value > 0)
  const least = 10 ** Math.floor(Math.log10(Math.min(...values, 1_000)))
  const most = 10 ** Math.ceil(Math.log10(Math.max(...values, 10)))
  const x = (ms: number): number =>
    box.left +
    ((box.right - box.left) * Math.log10(Math.max(ms, least) / least)) / Math.max(1, Math.log10(most / least))
  const ticks = [1, 2, 5].flatMap((step) => {
    const list: number[] = []
    for (let ten = least; ten * step <= most; ten *= 10) list.push(ten * step)
    return list
  })
  const grid = ticks.map(
    (tick) =>
      `<line class="grid" x1="${fixed(x(tick))}" x2="${fixed(x(tick))}" y1="${box.top}" y2="${box.bottom}"/>` +
      text(x(tick), box.bottom + 18, 'middle', `${+tick.toPrecision(3)} ms`),
  )
  const rows = modes.map(({ mode, p50, p99, p999, max }, i) => {
    const y = box.top + row * (i + 0.5)
    const dot = (value: number, name: string): string =>
      `<circle class="dot ${name}" cx="${fixed(x(value))}" cy="${y}" r="6"/>`
    return (
      text(box.left - 12, y + 5, 'end', mode, 'name') +
      `<line class="range" x1="${fixed(x(p50))}" x2="${fixed(x(max))}" y1="${y}" y2="${y}"/>` +
      dot(p50, 'p50') +
      dot(p99, 'p99') +
      dot(p999, 'p999') +
      dot(max, 'max')
    )
  })
  const description = modes
    .map(
      (one) => `${one.mode}: p50 ${one.p50} ms, p99 ${one.p99} ms, p99.9 ${one.p999} ms, max ${one.max} ms`,
    )
    .join('; ')
  const chart = { id: 'latencies', title: 'Latency of each mode', description }
  return figure(chart, box.bottom + 28, [...grid, ...rows])
}

interface Point {
  readonly x: number
  readonly y: number
}

const fixed = (value: number): string => value.toFixed(1)

function figure(
  { id, title, description }: { readonly id: string; readonly title: string; readonly description: string },
  height: number,
  parts: readonly string[],
): string {
  return (
    `<svg class="chart" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="${id}-title ${id}-desc">` +
    `<title id="${id}-title">${escape(title)}</title><desc id="${id}-desc">${escape(description)}</desc>` +
    `${parts.join('')}</svg>`
  )
}

function text(
  x: number,
  y: number,
  anchor: 'start' | 'middle' | 'end',
  content: string,
  name = 'tick',
): string {
  return `<text class="${name}" x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}">${escape(content)}</text>`
}

const vertical = (x: number, top: number, bottom: number, name: string): string =>
  `<line class="${name}" x1="${fixed(x)}" x2="${fixed(x)}" y1="${top}" y2="${bottom}"/>`

const linePath = (points: readonly Point[]): string =>
  points.map(({ x, y }, i) => `${i === 0 ? 'M' : 'L'}${fixed(x)} ${fixed(y)}`).join('')

function areaPath(points: readonly Point[], bottom: number): string {
  const first = points[0]
  const last = points.at(-1)
  if (!first || !last) return ''
  return `${linePath(points)}L${fixed(last.x)} ${bottom}L${fixed(first.x)} ${bottom}Z`
}

function yAxis(top: number, left: number, right: number, y: (ms: number) => number): string[] {
  return steps(top, 4).map(
    (tick) =>
      `<line class="grid" x1="${left}" x2="${right}" y1="${fixed(y(tick))}" y2="${fixed(y(tick))}"/>` +
      text(left - 8, y(tick) + 4, 'end', `${tick} ms`),
  )
}

function xAxis(length: number, bottom: number, x: (ms: number) => number): string[] {
  return steps(length / 1_000, 15).map((tick) => text(x(tick * 1_000), bottom + 20, 'middle', `${tick} s`))
}

/** Round numbers from 0 to `top`, some `count` of them. */
function steps(top: number, count: number): number[] {
  const raw = top / count
  const ten = 10 ** Math.floor(Math.log10(raw))
  const step = ([1, 2, 5].find((factor) => factor * ten >= raw) ?? 10) * ten
  return Array.from({ length: Math.floor(top / step + 1e-9) + 1 }, (_, i) => +(i * step).toPrecision(6))
}
