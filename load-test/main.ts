import { writeFileSync } from 'node:fs'
import { isUsageError } from '../cli/usage.js'
import { aims } from './aims.js'
import { figuresOf } from './figures.js'
import { readOptions, USAGE } from './options.js'
import { Progress } from './progress.js'
import { report } from './report.js'
import { runAll } from './rounds.js'
import { plan } from './schedule.js'
import { textTable } from './table.js'
import { noiseLine } from './words.js'

/** `npm run load-test`. Exit codes: 0, whatever the figures are; 1 when it could not run; 2 for bad options; 130 after Ctrl-C. */

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  let options
  try {
    options = readOptions(args, process.cwd())
  } catch (error) {
    if (!isUsageError(error)) throw error
    console.error(`${error.message}\n\nnpm run load-test -- --help lists the options.`)
    return 2
  }
  if (options === 'help') {
    console.log(USAGE)
    return 0
  }

  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())
  const runs = plan(options.modes, options.rounds)
  const progress = new Progress(process.stderr, runs.length, options.rounds)
  try {
    const finished = await runAll(runs, options, progress, interrupted.signal)
    const figures = figuresOf(finished, options.modes)
    writeFileSync(options.out, report(figures, finished, options))
    const judged = aims(figures).map(({ met, text }) => `${met ? 'met   ' : 'MISSED'}  ${text}`)
    console.log(
      ['', textTable(figures.modes), '', noiseLine(figures), ...judged, '', `report: ${options.out}`].join(
        '\n',
      ),
    )
    if (options.json) console.log(JSON.stringify(figures))
    return 0
  } catch (error) {
    progress.clear()
    if (interrupted.signal.aborted) {
      console.error('interrupted: nothing is written')
      return 130
    }
    console.error(error instanceof Error ? error.message : error)
    return 1
  }
}
