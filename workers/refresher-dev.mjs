// Runs the thread from its TypeScript source: Node 20 loads no .ts worker by itself, also not under tsx.
// Published code is compiled and does not come here.
import { register } from 'tsx/esm/api'

register()
await import('./refresher.ts')
