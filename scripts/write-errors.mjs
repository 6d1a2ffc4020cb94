// Writes the table of error codes into the README and docs/errors.md from the one place that has it.
// `node scripts/write-errors.mjs` after a build; a test holds the three together.
import { readFileSync, writeFileSync } from 'node:fs'
import { ERROR_MENDS } from '../dist/src/errors.js'

const rows = Object.entries(ERROR_MENDS).map(([code, mend]) => `| \`${code}\` | ${mend} |`)
const table = ['| code | mend |', '| --- | --- |', ...rows].join('\n')

for (const name of ['README.md', 'docs/errors.md']) {
  const file = new URL(`../${name}`, import.meta.url)
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, text.replace(/(<!-- errors -->\n\n)[^]*?(\n\n<!-- \/errors -->)/, `$1${table}$2`))
}
