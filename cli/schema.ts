import { parseArgs } from 'node:util'
import { migration, type SqlDialect } from '../workers/stores/sql/schema.js'
import { UsageError } from './usage.js'

const dialects: Readonly<Record<SqlDialect, string>> = {
  postgres: 'psql',
  mysql: 'mysql app',
  sqlite: 'sqlite3 store.db',
}
const names = Object.keys(dialects).join('|')

const help = `Usage: token-thread schema <${names}>

Prints the SQL that creates what a shared store needs. A store does so itself where it may; this is for people who run
their migrations themselves. Run again it changes nothing.

${Object.entries(dialects)
  .map(([name, client]) => `  token-thread schema ${name} | ${client}`)
  .join('\n')}

Options:
  -h, --help  show this`

/** `token-thread schema`: SQL on stdout, no more. */
export function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h', default: false } },
  })
  if (values.help) {
    console.log(help)
    return Promise.resolve(0)
  }
  const [name, ...more] = positionals
  if (name === undefined || !isDialect(name) || more.length > 0)
    return Promise.reject(new UsageError(`say which database: token-thread schema <${names}>`))
  process.stdout.write(migration(name))
  return Promise.resolve(0)
}

function isDialect(name: string): name is SqlDialect {
  return Object.hasOwn(dialects, name)
}
