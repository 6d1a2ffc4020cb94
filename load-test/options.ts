import { existsSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { UsageError } from '../cli/usage.js'

/** Ways to keep a token, each under the same load; what each does is in `tokens/`. */
export const MODES = ['thread', 'timer', 'cron', 'lazy', 'constant'] as const
export type Mode = (typeof MODES)[number]

export interface LoadTestOptions {
  /** How long each mode is measured, in all rounds together. */
  readonly seconds: number
  readonly connections: number
  readonly modes: readonly Mode[]
  readonly rounds: number
  /** Where the report is written: an absolute path. */
  readonly out: string
  readonly json: boolean
}

export const DEFAULT_OUT = 'load-test-report.html'

export const USAGE = `npm run load-test -- [options]

  --seconds <n>      how long each mode is measured, in all rounds together, 1 to 3600 (default: 12)
  --connections <n>  concurrent connections, 1 to 2000 (default: 200)
  --modes <list>     of ${MODES.join(',')} (default: all)
  --rounds <n>       rounds in which the modes alternate, 1 to 100 (default: 3)
  --out <file>       where the report is written (default: ${DEFAULT_OUT})
  --json             the last line is the figures as JSON
  --help             this

docs/load-test.md says what is measured and how to read it.`

/** s; a round's share of --seconds must not be less. */
const LEAST_SHARE = 0.2

/** @throws UsageError, or the error of parseArgs for an option that there is none of */
export function readOptions(args: readonly string[], cwd: string): LoadTestOptions | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string', default: '12' },
      connections: { type: 'string', default: '200' },
      modes: { type: 'string', default: MODES.join(',') },
      rounds: { type: 'string', default: '3' },
      out: { type: 'string', default: DEFAULT_OUT },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return 'help'
  const seconds = inRange('seconds', values.seconds, 1, 3600)
  const rounds = whole('rounds', values.rounds, 1, 100)
  if (seconds / rounds < LEAST_SHARE) {
    throw new UsageError(
      `--seconds ${seconds} in --rounds ${rounds} leaves less than ${LEAST_SHARE} s a round: give more seconds or fewer rounds`,
    )
  }
  return {
    seconds,
    rounds,
    connections: whole('connections', values.connections, 1, 2000),
    modes: readModes(values.modes),
    out: readOut(values.out, cwd),
    json: values.json,
  }
}

function inRange(name: string, given: string, min: number, max: number): number {
  const value = given.trim() === '' ? NaN : Number(given)
  if (value >= min && value <= max) return value
  throw new UsageError(`--${name} is '${given}': give a number from ${min} to ${max}`)
}

function whole(name: string, given: string, min: number, max: number): number {
  const value = inRange(name, given, min, max)
  if (Number.isInteger(value)) return value
  throw new UsageError(`--${name} is '${given}': give a whole number from ${min} to ${max}`)
}

function readModes(given: string): Mode[] {
  const names = given.split(',').map((name) => name.trim())
  const modes = names.map((name) => MODES.find((mode) => mode === name))
  const unknown = names.find((_, i) => modes[i] === undefined)
  if (unknown !== undefined) {
    throw new UsageError(`--modes has '${unknown}': give some of ${MODES.join(',')}, separated by commas`)
  }
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw new UsageError(`--modes has '${twice}' twice: give each mode once`)
  return modes.filter((mode) => mode !== undefined)
}

/** Looked at before the long run, not after it. */
function readOut(given: string, cwd: string): string {
  if (given === '') throw new UsageError(`--out is empty: give a file, such as ${DEFAULT_OUT}`)
  const out = resolve(cwd, given)
  if (existsSync(out) && statSync(out).isDirectory()) {
    throw new UsageError(`--out is the folder ${out}: give a file in it, such as ${given}/${DEFAULT_OUT}`)
  }
  if (!existsSync(dirname(out))) {
    throw new UsageError(
      `--out is in a folder that is not there: create ${dirname(out)}, or give another file`,
    )
  }
  return out
}
