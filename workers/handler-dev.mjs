// Runs the handler from its TypeScript source.
import { fromSource } from '../scripts/from-source.mjs'

const { default: handle } = await fromSource(new URL('./handler.ts', import.meta.url))
export default handle
