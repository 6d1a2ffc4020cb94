// Loads a TypeScript module in a thread: Node 20 loads no .ts worker by itself, also not under tsx, and tsx registered in
// each costs a start three times the CPU. Published code is compiled and does not come here.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { threadId } from 'node:worker_threads'

const ROOT = fileURLToPath(new URL('../', import.meta.url))
// Within node_modules: what the module imports from there is found.
const CACHE = `${ROOT}node_modules/.cache/token-thread`

/** Imports it and all of ours that it imports, as one file: made anew whenever a source has changed. */
export async function fromSource(url) {
  const source = fileURLToPath(url)
  const file = `${CACHE}/${stateOf(source)}.mjs`
  if (!existsSync(file)) await bundle(source, file)
  return import(file)
}

function stateOf(source) {
  const state = createHash('sha256').update(source)
  const folders = [...new Set([`${ROOT}src`, `${ROOT}workers`, dirname(source)])]
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => `${folder}/${name}`),
  )
  for (const file of [fileURLToPath(import.meta.url), ...files]) {
    const { mtimeMs, size } = statSync(file)
    state.update(`${file} ${mtimeMs} ${size}\n`)
  }
  return state.digest('hex').slice(0, 16)
}

async function bundle(source, file) {
  const { buildSync } = await import('esbuild')
  mkdirSync(CACHE, { recursive: true })
  // Another thread may do the same at this moment.
  const own = `${file}.${process.pid}.${threadId}`
  buildSync({
    entryPoints: [source],
    outfile: own,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: 'inline',
    // What ours look for from where they stand, the worker and a store's peers, is found from there.
    define: { 'import.meta.url': JSON.stringify(pathToFileURL(`${ROOT}src/index.ts`).href) },
    logLevel: 'error',
  })
  renameSync(own, file)
}
