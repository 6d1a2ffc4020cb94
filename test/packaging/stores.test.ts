import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'
import { cleanUp } from '../support/cleanup.js'
import { node, run } from './child.js'
import { repository } from './installed.js'

const { app } = inject('installed')

/** Prints what became of a start with this store; the installed package stands alone: no optional package is there. */
const start = (store: object): string => `
  import { TokenThread } from 'token-thread'
  import { startSimulator } from 'token-thread/simulator'
  const sim = await startSimulator({ accounts: [{ appId: 'wx1', appSecret: 's1' }] })
  const options = { ...sim.options('wx1'), logger: false, store: ${JSON.stringify(store)} }
  for (let i = 0; i < 2; i++) {
    try {
      const tokens = await TokenThread.start(options)
      console.log(tokens.get() === sim.current('wx1').stable.accessToken, tokens.status().store)
      await tokens.close()
    } catch ({ code, message }) {
      console.log(code, message)
    }
  }
  console.log(sim.counters().tokenCalls)
  await sim.close()`

test.each([
  [{ kind: 'redis', url: 'redis://127.0.0.1:1' }, '@redis/client', '@redis/client'],
  [{ kind: 'postgres', url: 'postgres://127.0.0.1:1/db' }, '(kysely|pg)', 'kysely pg'],
  [{ kind: 'mysql', url: 'mysql://127.0.0.1:1/db' }, '(kysely|mysql2)', 'kysely mysql2'],
])('without its package %j names the command that installs it', async (store, name, install) => {
  const { exitCode, stdout } = await node(['--input-type=module', '-e', start(store)], { cwd: app })
  expect(exitCode).toBe(0)
  expect(stdout).toMatch(
    new RegExp(`^(ERR_STORE .*the store needs the package ${name}: npm install ${install}\n){2}0\n$`),
  )
})

test('the file store needs no package: a second start has the token of the first', async () => {
  const folder = mkdtempSync(join(app, 'store-'))
  cleanUp(() => rmSync(folder, { recursive: true }))
  const store = { kind: 'file', path: join(folder, 'made', 'tokens.json'), encryptionKey: 'A'.repeat(43) }
  const { stdout, stderr } = await node(['--input-type=module', '-e', start(store)], { cwd: app })
  expect([stdout, stderr]).toEqual(['true up\ntrue up\n1\n', ''])
  expect(readFileSync(store.path, 'utf8')).toContain('token-thread:aes-256-gcm:1:')
})

test('a module of the user’s is a store too', async () => {
  copyFileSync(join(import.meta.dirname, 'fixtures', 'store.mjs'), join(app, 'store.mjs'))
  const store = { kind: 'module', url: join(app, 'store.mjs'), options: { of: 'the user' } }
  const { stdout, stderr } = await node(['--input-type=module', '-e', start(store)], { cwd: app })
  expect([stdout, stderr]).toEqual(['true up\ntrue up\n1\n', ''])
})

test.each([
  ['nobody.mjs', /ERR_STORE .*the store’s module file:\/\/.*nobody\.mjs does not load/],
  ['get-a-token.cjs', /ERR_STORE .*must default-export a function that opens a store/],
])('the module %s is refused with what is wrong', async (file, message) => {
  copyFileSync(join(import.meta.dirname, 'fixtures', 'no-store.cjs'), join(app, 'get-a-token.cjs'))
  const store = { kind: 'module', url: join(app, file) }
  const { stdout } = await node(['--input-type=module', '-e', start(store)], { cwd: app })
  expect(stdout).toMatch(message)
})

test.each(['postgres', 'mysql', 'sqlite'])('token-thread schema %s prints the schema file', async (name) => {
  const { stdout } = await run('npx', ['--no-install', 'token-thread', 'schema', name], { cwd: app })
  expect(stdout).toBe(readFileSync(join(app, 'node_modules/token-thread/schema', `${name}.sql`), 'utf8'))
  expect(stdout).toBe(readFileSync(join(repository, 'schema', `${name}.sql`), 'utf8'))
})
