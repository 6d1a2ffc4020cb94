import type { Mode } from './options.js'
import type { RunResult } from './run.js'
import { ascending, percentile } from './samples.js'
import type { PlannedRun } from './schedule.js'

export interface FinishedRun extends PlannedRun {
  readonly result: RunResult
}

/** What is said of a mode, over all its rounds. The names are those of `--json`. */
export interface ModeFigures {
  readonly mode: Mode
  /** Requests answered a second. */
  readonly rps: number
  /** Latencies, ms. */
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly max: number
  /** Requests that had to wait for their token, or found none. */
  readonly waited: number
  /** Calls that were refused because of their token. */
  readonly refused: number
  /** Token calls after the first. */
  readonly fetches: number
  /** New tokens that WeChat issued. */
  readonly rotations: number
}

/** How far the two halves of `constant` are apart, as shares of their mean. */
export interface Noise {
  readonly rps: number
  readonly p999: number
}

export interface Figures {
  readonly modes: readonly ModeFigures[]
  /** Null where `constant` did not run. */
  readonly noise: Noise | null
}

/** `order`: the modes as they were asked for. */
export function figuresOf(runs: readonly FinishedRun[], order: readonly Mode[]): Figures {
  const modes = order.map((mode) => modeFigures(mode, resultsOf(runs, mode)))
  if (!order.includes('constant')) return { modes, noise: null }
  const once = modeFigures('constant', resultsOf(runs, 'constant', false))
  const again = modeFigures('constant', resultsOf(runs, 'constant', true))
  return { modes, noise: { rps: spread(once.rps, again.rps), p999: spread(once.p999, again.p999) } }
}

export function resultsOf(runs: readonly FinishedRun[], mode: Mode, again?: boolean): RunResult[] {
  return runs
    .filter((run) => run.mode === mode && (again === undefined || run.again === again))
    .map(({ result }) => result)
}

function modeFigures(mode: Mode, results: readonly RunResult[]): ModeFigures {
  const latencies = ascending(results.flatMap(({ samples }) => [...samples.latency]))
  const seconds = sum(results.map(({ samples }) => samples.ms)) / 1_000
  return {
    mode,
    rps: tenths(latencies.length / seconds),
    p50: tenths(percentile(latencies, 0.5)),
    p99: tenths(percentile(latencies, 0.99)),
    p999: tenths(percentile(latencies, 0.999)),
    max: tenths(percentile(latencies, 1)),
    waited: sum(results.map(({ waited }) => waited)),
    refused: sum(results.map(({ refused }) => refused)),
    fetches: sum(results.map(({ fetches }) => fetches)),
    rotations: sum(results.map(({ rotations }) => rotations.length)),
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
const tenths = (value: number): number => Math.round(value * 10) / 10
const spread = (a: number, b: number): number =>
  Math.round((Math.abs(a - b) / ((a + b) / 2)) * 10_000) / 10_000
