import { availableParallelism, cpus } from 'node:os'
import { aims } from './aims.js'
import { escape, latencyChart, timelineChart } from './charts.js'
import { type Figures, type FinishedRun, resultsOf } from './figures.js'
import type { LoadTestOptions, Mode } from './options.js'
import { ascending, type Bucket, percentile, timeline } from './samples.js'
import { STYLE } from './style.js'
import { COLUMNS } from './table.js'
import { MODE_TEXT, noiseLine } from './words.js'

/** ms; the step of the latency over time. */
const STEP = 100

/** The report: one HTML file that needs nothing else, and asks for nothing. */
export function report(figures: Figures, runs: readonly FinishedRun[], options: LoadTestOptions): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>token-thread: load test</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>Load test</h1>
<p class="setting">${escape(settingLine(options))}</p>
${verdict(figures)}
<h2>Figures</h2>
${table(figures)}
<p class="note">${escape(noiseLine(figures))}. <em>waited</em>: requests that had to wait for their token, or found none; <em>refused</em>:
calls that WeChat refused because of their token; <em>fetches</em>: token calls after the first; <em>rotations</em>: new tokens.</p>
<h2>Latency</h2>
<p class="legend"><span class="key p50">p50</span><span class="key p99">p99</span><span class="key p999">p99.9</span><span class="key max">max</span></p>
${latencyChart(figures.modes)}
<h2>Latency over time</h2>
<p class="legend"><span class="key p50">p50</span><span class="key p99">p99</span><span class="key rotation">a new token was issued</span>${options.rounds > 1 ? '<span class="key seam">next round</span>' : ''}</p>
${timelines(runs, options.modes)}
</main>
</body>
</html>
`
}

function settingLine({ seconds, rounds, connections }: LoadTestOptions): string {
  const [cpu] = cpus()
  return (
    `${connections} connections, ${seconds} s for each mode in ${rounds} round${rounds === 1 ? '' : 's'}; tokens of 3 s, token calls of ` +
    `200 ms. Node ${process.version}, ${availableParallelism()} x ${cpu?.model.trim() ?? 'CPU'}, ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`
  )
}

function verdict(figures: Figures): string {
  const judged = aims(figures)
  if (judged.length === 0) return ''
  const items = judged.map(
    ({ met, text }) =>
      `<li class="${met ? 'met' : 'missed'}"><strong>${met ? 'met' : 'missed'}</strong> ${escape(text)}</li>`,
  )
  return `<h2>What <code>thread</code> should keep</h2>\n<ul class="aims">\n${items.join('\n')}\n</ul>`
}

function table({ modes }: Figures): string {
  const head = COLUMNS.map(({ title }) => `<th scope="col">${escape(title)}</th>`).join('')
  const rows = modes.map((one) => {
    const [name = '', ...cells] = COLUMNS.map(({ cell }) => escape(cell(one)))
    return `<tr><th scope="row">${name}</th>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`
  })
  return `<div class="scroll"><table>\n<thead><tr>${head}</tr></thead>\n<tbody>\n${rows.join('\n')}\n</tbody>\n</table></div>`
}

interface ModeTimeline {
  readonly mode: Mode
  readonly buckets: readonly Bucket[]
  readonly rotations: readonly number[]
  readonly seams: readonly number[]
  readonly length: number
}

/** One chart for each mode, all with the same axes. Of `constant`, the first run of each round. */
function timelines(runs: readonly FinishedRun[], modes: readonly Mode[]): string {
  const charts = modes.map((mode) => joined(mode, runs))
  const high = ascending(charts.flatMap(({ buckets }) => buckets.flatMap(({ p99 }) => p99 ?? [])))
  // A single outlier shall not flatten the rest: what is higher is cut off at the top.
  const top = Math.max(10, percentile(high, 0.995) * 1.1)
  return charts
    .map(({ mode, buckets, rotations, ...rest }) => {
      const worst = Math.max(0, ...buckets.map(({ p50 }) => p50 ?? 0))
      const description =
        `Median and 99th percentile of the latency in steps of ${STEP} ms, with ${rotations.length} rotations marked. ` +
        `The highest median is ${worst.toFixed(0)} ms.`
      const chart = { id: `over-time-${mode}`, title: `Latency over time: ${mode}`, description }
      return (
        `<section><h3>${mode}</h3><p class="note">${escape(MODE_TEXT[mode])}</p>` +
        `${timelineChart({ ...chart, ...rest, buckets, rotations, top })}</section>`
      )
    })
    .join('\n')
}

/** A mode's rounds, one after the other. */
function joined(mode: Mode, runs: readonly FinishedRun[]): ModeTimeline {
  const results = resultsOf(runs, mode, false)
  const starts: number[] = []
  let length = 0
  for (const { samples } of results) {
    starts.push(length)
    length += samples.ms
  }
  const each = results.map((result, i) => ({ result, start: starts[i] ?? 0 }))
  return {
    mode,
    buckets: each.flatMap(({ result, start }) =>
      timeline(result.samples, STEP).map((bucket) => ({
        ...bucket,
        from: bucket.from + start,
        to: bucket.to + start,
      })),
    ),
    rotations: each.flatMap(({ result, start }) => result.rotations.map((at) => at + start)),
    seams: starts.slice(1),
    length,
  }
}
