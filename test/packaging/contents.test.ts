import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'
import { node } from './child.js'
import { repository } from './installed.js'

const { tarball, app } = inject('installed')
const installed = join(app, 'node_modules/token-thread')
const files = readdirSync(installed, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(installed.length + 1))

const manifest: unknown = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))

test('the package holds the compiled rooms and its papers, nothing else', () => {
  const unexpected = files.filter(
    (file) =>
      !/^(package\.json|LICENSE|README(\.[\w-]+)?\.md|schema\/\w+\.sql|dist\/.+(\.c?js|\.d\.c?ts))$/.test(
        file,
      ),
  )
  expect(unexpected).toEqual([])
  const papers = readdirSync(repository).filter((file) => /^(LICENSE|README)/.test(file))
  expect(files).toEqual(expect.arrayContaining(['package.json', 'LICENSE', ...papers]))
  expect(readdirSync(join(installed, 'dist')).sort()).toEqual([
    'cli',
    'simulator',
    'src',
    'testing',
    'workers',
  ])
})

test('each compiled file has its source in this tree', () => {
  const missing = files
    .filter((file) => file.startsWith('dist/'))
    .map((file) =>
      file
        .replace(/^dist\//, '')
        .replace(/(\.d)?\.cts$|\.cjs$/, '.cts')
        .replace(/\.d\.ts$|\.js$/, '.ts'),
    )
    .filter((source) => !sources.has(source))
  expect(missing).toEqual([])
})

const sources = new Set(
  ['cli', 'simulator', 'src', 'testing', 'workers'].flatMap((room) =>
    readdirSync(join(repository, room), { recursive: true, encoding: 'utf8' }).map((file) =>
      join(room, file),
    ),
  ),
)

test('no compiled file points at a source map or at where it was built', () => {
  const pointing = files.filter((file) => {
    const text = readFileSync(join(installed, file), 'utf8')
    return (
      text.includes('sourceMappingURL') ||
      text.includes(repository) ||
      text.includes('token-thread-packaging')
    )
  })
  expect(pointing).toEqual([])
})

test('it depends on undici and pino, and runs nothing when it is installed', () => {
  expect(manifest).toMatchObject({ name: 'token-thread', type: 'module', license: 'MIT' })
  expect(namesIn('dependencies')).toEqual(['pino', 'undici'])
  // What only a store needs.
  const peers = ['@redis/client', 'kysely', 'mysql2', 'pg']
  expect(namesIn('peerDependencies')).toEqual(peers)
  expect(manifest).toHaveProperty(
    'peerDependenciesMeta',
    Object.fromEntries(peers.map((name) => [name, { optional: true }])),
  )
  for (const field of ['optionalDependencies', 'bundleDependencies']) {
    expect(manifest).not.toHaveProperty(field)
  }
  for (const script of ['preinstall', 'install', 'postinstall'])
    expect(namesIn('scripts')).not.toContain(script)
})

test('publint finds nothing', async () => {
  const cli = join(repository, 'node_modules/publint/src/cli.js')
  const { exitCode, stdout, stderr } = await node([cli, 'run', tarball, '--strict'], { cwd: app })
  expect([exitCode, stdout + stderr]).toEqual([0, expect.stringContaining('All good!')])
})

test('are the types right? says that they are, for import and, where Node can require ESM, for require', async () => {
  const cli = join(repository, 'node_modules/@arethetypeswrong/cli/dist/index.js')
  // Each Node in `engines` can require an ES module, so one that resolves to ESM is no fault here; what is left out is
  // the resolution of before `exports`.
  const rules = ['--profile', 'node16', '--ignore-rules', 'cjs-resolves-to-esm']
  const args = [cli, tarball, ...rules, '--format', 'ascii']
  const { exitCode, stdout, stderr } = await node(args, { cwd: app })
  expect({ exitCode, stderr, problems: stdout }).toMatchObject({ exitCode: 0 })
  const entries = ['token-thread', 'token-thread/simulator', 'token-thread/testing', 'token-thread/worker']
  for (const entry of entries) expect(stdout).toContain(`"${entry}"`)
})

function namesIn(field: string): string[] {
  if (typeof manifest !== 'object' || manifest === null) return []
  const value: unknown = new Map(Object.entries(manifest)).get(field)
  return typeof value === 'object' && value !== null ? Object.keys(value).sort() : []
}
