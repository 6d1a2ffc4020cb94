// Runs the handler from its TypeScript source: Node 20 loads no .ts worker by itself, also not under tsx.
import { register } from 'tsx/esm/api'

register()
const { default: handle } = await import('./pool-handler.ts')
export default handle
