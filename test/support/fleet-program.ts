import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'
import { afterAll } from 'vitest'

export interface FleetProgram {
  readonly process: string
  readonly worker: string
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** Within the checkout, so that what a store needs is found. */
const CACHE = join(ROOT, 'node_modules/.cache')

let built: FleetProgram | undefined
let folder: string | undefined

/** The process of a fleet and its worker as a bundle each, made once for a file of tests: sixteen start in seconds. */
export function fleetProgram(): FleetProgram {
  if (built) return built
  mkdirSync(CACHE, { recursive: true })
  folder = mkdtempSync(join(CACHE, 'token-thread-fleet-'))
  const bundle = (source: string, name: string): string => {
    const outfile = join(folder ?? CACHE, name)
    buildSync({
      entryPoints: [join(ROOT, source)],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'cjs',
      target: 'node20',
      logLevel: 'error',
      // In CommonJS there is none, and the library knows; the warning would be noise.
      logOverride: { 'empty-import-meta': 'silent' },
    })
    return outfile
  }
  built = {
    process: bundle('test/fixtures/fleet-process.ts', 'process.cjs'),
    worker: bundle('workers/refresher.ts', 'worker.cjs'),
  }
  return built
}

afterAll(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  built = undefined
})
