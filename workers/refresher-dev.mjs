// Runs the thread from its TypeScript source. Published code is compiled and does not come here.
import { fromSource } from '../scripts/from-source.mjs'

await fromSource(new URL('./refresher.ts', import.meta.url))
