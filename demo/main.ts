import { readArguments, USAGE } from './arguments.js'
import { runLive } from './live.js'
import { runSimulated } from './simulated.js'

/** `npm run demo`: the thread keeps a token valid while a server reads it. The last line on stdout is JSON. */
async function main(): Promise<void> {
  const options = readArguments(process.argv.slice(2))
  if (options === 'help') {
    console.log(USAGE)
    return
  }
  const interrupted = new AbortController()
  process.once('SIGINT', () => interrupted.abort())
  const tally = options.live ? await runLive() : await runSimulated(options.seconds, interrupted.signal)
  console.log(JSON.stringify(tally))
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
