import { simulated } from './fleet-cases.js'

/** `<nodes> [long]`: a simulated fleet, in a process of its own; it prints the rows of its table as JSON. */

const [nodes, long] = process.argv.slice(2)
console.log(JSON.stringify(await simulated(Number(nodes), long === 'long')))
