#!/usr/bin/env node
import { type Command, UsageError, isUsageError } from './usage.js'

interface Entry {
  readonly summary: string
  /** Loads the subcommand's file, and with it what it needs, only when it is used. */
  readonly load: () => Promise<Command>
}

const commands: Readonly<Record<string, Entry>> = {
  simulate: { summary: 'run a local WeChat token API', load: () => import('./simulate.js') },
  schema: {
    summary: 'print the SQL that creates the table of a shared store',
    load: () => import('./schema.js'),
  },
}

const help = `Usage: token-thread <command> [options]

Commands:
${Object.entries(commands)
  .map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}`)
  .join('\n')}

token-thread <command> --help tells the options of a command.`

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === '--help' || name === '-h' || name === 'help') {
    console.log(help)
    return 0
  }
  if (name === undefined) throw new UsageError(`say which command\n\n${help}`)
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!entry) throw new UsageError(`there is no command ${name}\n\n${help}`)
  const command = await entry.load()
  return command.run(args)
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!isUsageError(error)) throw error
  console.error(`token-thread: ${error.message}`)
  process.exitCode = 2
}
