import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { UsageError } from './usage.js'

/** The command line of `simulate`, read. */
export interface SimulateOptions {
  readonly port: number
  readonly appId: string
  readonly appSecret: string
  /** Seconds. */
  readonly expiresIn: number | undefined
  /** Milliseconds. */
  readonly delay: number | undefined
  readonly gzip: boolean
  readonly json: boolean
}

export const help = `Usage: token-thread simulate [options]

A local WeChat token API that keeps WeChat's rules. It runs until Ctrl-C.

Options:
  --port <port>           where to listen on 127.0.0.1, 0 for any free port (default: 8899)
  --app-id <id>           the account's AppID (default: made up)
  --app-secret <secret>   the account's AppSecret (default: made up)
  --expires-in <seconds>  life of a token; 2 shows a rotation every two seconds (default: 7200)
  --delay <ms>            answer each token call so much later (default: 0)
  --gzip                  gzip each answer, whatever the client accepts
  --json                  print JSON lines: first { url, appId, appSecret }, then one for each call
  -h, --help              show this`

/** The flag that sets a field of the simulator's options. */
export function flagOf(field: string): string {
  const name = field.slice(field.lastIndexOf('.') + 1)
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

export function readArguments(args: readonly string[]): SimulateOptions | 'help' {
  const { values } = parseArgs({
    args: joinNegatives(args),
    options: {
      port: { type: 'string' },
      'app-id': { type: 'string' },
      'app-secret': { type: 'string' },
      'expires-in': { type: 'string' },
      delay: { type: 'string' },
      gzip: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return 'help'
  return {
    port: readNumber('--port', values.port) ?? 8899,
    appId: values['app-id'] ?? `wx${randomBytes(8).toString('hex')}`,
    appSecret: values['app-secret'] ?? randomBytes(16).toString('hex'),
    expiresIn: readNumber('--expires-in', values['expires-in']),
    delay: readNumber('--delay', values.delay),
    gzip: values.gzip,
    json: values.json,
  }
}

const numberFlags = ['--port', '--expires-in', '--delay']

/** `--delay -5` as `--delay=-5`: so the range is told, and not how parseArgs understands a dash. */
function joinNegatives(args: readonly string[]): string[] {
  const joined: string[] = []
  for (const arg of args) {
    const last = joined.at(-1)
    if (last !== undefined && numberFlags.includes(last) && /^-[\d.]/.test(arg)) {
      joined[joined.length - 1] = `${last}=${arg}`
    } else joined.push(arg)
  }
  return joined
}

/** A number; its range is the simulator's to check. */
function readNumber(flag: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const number = Number(value)
  // Number('') is 0: `--port ""` must not pass as a choice.
  if (value.trim() === '' || Number.isNaN(number)) throw new UsageError(`${flag} must be a number`)
  return number
}
