import { copyFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, inject, test } from 'vitest'
import { node, run } from './child.js'

const { app } = inject('installed')

const names = [
  'ERROR_MENDS',
  'TokenThread',
  'TokenThreadError',
  'redactUrl',
  'redactedUrlAttributes',
  'subscribeTokens',
  'tokenInterceptor',
]

test('the Node that runs the tests runs their children, npm among them', async () => {
  expect((await node(['-p', 'process.version'], { cwd: app })).stdout.trim()).toBe(process.version)
  const versions: unknown = JSON.parse((await run('npm', ['version', '--json'], { cwd: app })).stdout)
  expect(versions).toMatchObject({ node: process.versions.node })
})

test('import finds the public names', async () => {
  const script = `
    import * as main from 'token-thread'
    import { startSimulator } from 'token-thread/simulator'
    import { fakeTokens } from 'token-thread/testing'
    import manifest from 'token-thread/package.json' with { type: 'json' }
    console.log(JSON.stringify([Object.keys(main).sort(), typeof startSimulator, fakeTokens().get(), manifest.name]))`
  const { exitCode, stdout, stderr } = await node(['--input-type=module', '-e', script], { cwd: app })
  expect([exitCode, stderr.replaceAll(/^.*(ExperimentalWarning|--trace-warnings).*\n/gm, '')]).toEqual([
    0,
    '',
  ])
  expect(JSON.parse(stdout)).toEqual([names, 'function', 'fake-token-1', 'token-thread'])
})

test('require finds them too', async () => {
  const script = `
    console.log(JSON.stringify([
      Object.keys(require('token-thread')).sort(),
      typeof require('token-thread/simulator').startSimulator,
      require('token-thread/testing').fakeTokens().get(),
    ]))`
  const { exitCode, stdout } = await node(['--input-type=commonjs', '-e', script], { cwd: app })
  expect(exitCode).toBe(0)
  expect(JSON.parse(stdout)).toEqual([names, 'function', 'fake-token-1'])
})

test('the errors of token-thread/testing are those of token-thread', async () => {
  const script = `
    import { TokenThreadError } from 'token-thread'
    import { fakeTokens } from 'token-thread/testing'
    const tokens = fakeTokens()
    await tokens.close()
    try { tokens.get() } catch (error) { console.log(error instanceof TokenThreadError, error.code) }`
  const { stdout } = await node(['--input-type=module', '-e', script], { cwd: app })
  expect(stdout).toBe('true ERR_CLOSED\n')
})

test('token-thread/worker resolves to the worker’s file, which does nothing by itself', async () => {
  const script = `console.log(import.meta.resolve('token-thread/worker'))`
  const { stdout } = await node(['--input-type=module', '-e', script], { cwd: app })
  const file = fileURLToPath(stdout.trim())
  const { exitCode, stderr } = await node([file], { cwd: app })
  expect([exitCode, stderr]).toEqual([
    1,
    expect.stringContaining('token-thread/worker is started by TokenThread'),
  ])
})

test.each(['get-a-token.mjs', 'get-a-token.cjs'])('%s gets a token, and ends by itself', async (file) => {
  copyFileSync(join(import.meta.dirname, 'fixtures', file), join(app, file))
  const { exitCode, stdout, stderr } = await node([file], { cwd: app })
  expect({ exitCode, stdout, stderr }).toMatchObject({ exitCode: 0, stdout: 'a token of 1 call, closed\n' })
})

test('npx runs the command line', async () => {
  const help = await run('npx', ['--no-install', 'token-thread', 'simulate', '--help'], { cwd: app })
  expect([help.exitCode, help.stderr]).toEqual([0, ''])
  expect(help.stdout).toContain('Usage: token-thread simulate [options]')
})

test('a thread starts though libuv’s pool is saturated', async () => {
  copyFileSync(join(import.meta.dirname, 'fixtures', 'saturated.mjs'), join(app, 'saturated.mjs'))
  rmSync(join(app, 'fifo'), { force: true })
  const { exitCode, stdout, stderr } = await node(['saturated.mjs'], { cwd: app })
  expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 0, stdout: 'true 0\n', stderr: '' })
})
