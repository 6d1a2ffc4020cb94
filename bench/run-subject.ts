import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Row } from './report.js'
import type { Subject } from './subject.js'

const run = promisify(execFile)
/** ms after which a subject is given up. */
const PATIENCE = 60_000

/** What a bench found of a subject: figures by name, or why it could not be measured. */
export type Found = Readonly<Record<string, number>> | { readonly problem: string }

/** Runs one subject of a bench in a process of its own, to its end. */
export async function runSubject(what: 'rotate' | 'herd', { name }: Subject): Promise<Found> {
  const file = fileURLToPath(new URL('./subject-process.js', import.meta.url))
  try {
    const { stdout } = await run(process.execPath, [file, what, name], { timeout: PATIENCE })
    const found: unknown = JSON.parse(stdout)
    return isFound(found) ? found : { problem: 'it printed something else' }
  } catch (error) {
    const lines = String(error).split('\n')
    // What the process wrote as it died names the cause; the first line only says that it did.
    return { problem: lines.find((line) => /^\w*Error: (?!Command failed)/.test(line)) ?? lines[0] ?? '' }
  }
}

/** A line of a table; where nothing could be measured it says why. */
export const rowOf = ({ name }: Subject, found: Found): Row =>
  isProblem(found) ? { name: `${name}: ${found.problem}`, figures: {} } : { name, figures: found }

/** One figure by its name; NaN, which meets no aim, where it was not measured. */
export const figuresOf =
  (found: Found) =>
  (name: string): number =>
    isProblem(found) ? NaN : (found[name] ?? NaN)

const isProblem = (found: Found): found is { readonly problem: string } =>
  typeof found['problem'] === 'string'

function isFound(value: unknown): value is Readonly<Record<string, number>> {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((one) => typeof one === 'number')
  )
}
