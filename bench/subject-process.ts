import { herdOf } from './herd-of.js'
import { rotateOf } from './rotate-of.js'
import { withConstant } from './subjects.js'

/** One subject of a bench, in a process of its own: `node subject-process.js <rotate|herd> <name>`; it prints JSON. */

const [what, name] = process.argv.slice(2)
const subject = withConstant.find((one) => one.name === name)
if (!subject) throw new Error(`there is no subject ${name ?? ''}`)
const found = what === 'rotate' ? await rotateOf(subject) : await herdOf(subject)
process.stdout.write(JSON.stringify(found), () => process.exit())
