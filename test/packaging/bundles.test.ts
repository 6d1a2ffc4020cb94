import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BuildOptions, build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type Simulator, startSimulator } from '../../simulator/index.js'
import { type Ended, node } from './child.js'

const { app } = inject('installed')
const appId = 'wx0000000000000001'

let simulator: Simulator

beforeAll(async () => {
  simulator = await startSimulator({ accounts: [{ appId, appSecret: 'secret' }] })
})
afterAll(() => simulator.close())

const common: BuildOptions = {
  absWorkingDir: app,
  bundle: true,
  platform: 'node',
  target: 'node20',
  logLevel: 'error',
}

/** What CommonJS packages need in an ES module: pino and undici require Node's own modules. */
const requireForEsm = {
  js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
}

describe.each([
  ['esm', 'mjs'],
  ['cjs', 'cjs'],
] as const)('a server bundled into one %s file', (format, extension) => {
  // Outside of the program: no node_modules is above them, so what they need must be in them.
  const folder = join(app, '../bundles', format)
  const server = join(folder, 'server', `server.${extension}`)
  const worker = join(folder, 'worker', `worker.${extension}`)

  const run = (env: Readonly<Record<string, string>>): Promise<Ended> => {
    const credentials = { WECHAT_APPID: appId, WECHAT_APPSECRET: 'secret', WECHAT_BASE_URL: simulator.url }
    return node([server], { cwd: folder, env: { ...credentials, ...env } })
  }

  beforeAll(async () => {
    const options: BuildOptions = {
      ...common,
      format,
      ...(format === 'esm' && { banner: requireForEsm }),
    }
    const entry = join(import.meta.dirname, 'fixtures/server.mjs')
    const contents = readFileSync(entry, 'utf8')
    await build({ ...options, stdin: { contents, resolveDir: app }, outfile: server })
    await build({ ...options, entryPoints: ['token-thread/worker'], outfile: worker })
  })

  test('gets its token with workerUrl at the bundled worker', async () => {
    const { exitCode, stdout, stderr } = await run({ WORKER: worker })
    expect({ exitCode, stdout, stderr }).toEqual({
      exitCode: 0,
      stdout: `${simulator.current(appId).stable?.accessToken ?? 'none'}\n`,
      stderr: '',
    })
  })

  test('fails at its start without workerUrl, and is told of it', async () => {
    const { exitCode, stdout } = await run({})
    expect(stdout).toMatch(/^true (ERR_OPTIONS|ERR_THREAD) .*workerUrl/)
    expect(exitCode).toBe(1)
  })

  test('fails at its start where workerUrl names no file', async () => {
    const { exitCode, stdout } = await run({ WORKER: join(folder, 'no-such-worker.js') })
    expect(stdout).toMatch(/^true ERR_THREAD .*no-such-worker\.js.*workerUrl/)
    expect(exitCode).toBe(1)
  })

  test('fails at its start with a worker of another version', async () => {
    const text = readFileSync(worker, 'utf8')
    const declaration = /\bPROTOCOL_VERSION = \d+/g
    expect(text.match(declaration)).toHaveLength(1)
    const other = worker.replace('worker.', 'other-worker.')
    writeFileSync(other, text.replace(declaration, 'PROTOCOL_VERSION = 999'))
    const { exitCode, stdout } = await run({ WORKER: other })
    expect(stdout).toMatch(
      /^true ERR_PROTOCOL the worker file is of another version of token-thread: .*workerUrl/,
    )
    expect(exitCode).toBe(1)
  })
})
