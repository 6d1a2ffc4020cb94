import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { blocked } from './blocked.js'
import { fanOut } from './fan-out.js'
import { fleet } from './fleet.js'
import { herd } from './herd.js'
import { interceptor } from './interceptor.js'
import { read } from './read.js'
import { type Report, show } from './report.js'
import { rotate } from './rotate.js'
import { startUp } from './start-up.js'

/** `npm run bench [-- read|blocked|start-up|rotate|herd ...] [--json]`: a missed aim is printed, it is no failure. */

const benches: Readonly<Record<string, () => Promise<Report>>> = {
  read,
  blocked,
  'start-up': startUp,
  'fan-out': fanOut,
  rotate,
  herd,
  interceptor,
  fleet,
}

const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const unknown = positionals.filter((name) => !(name in benches))
if (unknown.length > 0) {
  console.error(`there is no bench ${unknown.join(', ')}: the benches are ${Object.keys(benches).join(', ')}`)
  process.exit(2)
}

const machine = {
  node: process.version,
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  date: new Date().toISOString(),
}
console.log(`node ${machine.node}, ${machine.cores} x ${machine.cpu}, ${machine.date}\n`)
const reports: Report[] = []
for (const [name, run] of Object.entries(benches)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue
  const report = await run()
  reports.push(report)
  console.log(`${show(report)}\n`)
}
if (values.json) console.log(JSON.stringify({ machine, reports }))
