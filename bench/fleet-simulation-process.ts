import { simulated } from './fleet-cases.js'

/** The simulated fleet of so many nodes, in a process of its own; it prints the rows of its table as JSON. */

console.log(JSON.stringify(await simulated(Number(process.argv[2]))))
