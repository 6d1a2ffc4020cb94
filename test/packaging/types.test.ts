import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'
import { node } from './child.js'
import { repository } from './installed.js'

const { app } = inject('installed')

const consumer = readFileSync(new URL('fixtures/consumer.ts', import.meta.url), 'utf8')

/** Each Node that token-thread runs on can require an ES module. */
const commonJsConsumer = `
import tokenThread = require('token-thread')
import { startSimulator } from 'token-thread/simulator'
import { fakeTokens } from 'token-thread/testing'

export async function use(): Promise<string> {
  const simulator = await startSimulator({ accounts: [{ appId: 'wx', appSecret: 's' }] })
  const tokens: tokenThread.TokenThread = await tokenThread.TokenThread.start(simulator.options('wx'))
  const reader: tokenThread.TokenReader = fakeTokens()
  // @ts-expect-error get takes no argument: the types are not any
  return tokens.get() + reader.get(1)
}
`

test.each([
  ['nodenext', 'nodenext', { 'consumer.ts': consumer, 'consumer.cts': commonJsConsumer }],
  ['bundler', 'esnext', { 'consumer.ts': consumer }],
])('strict TypeScript compiles against the package under %s', async (moduleResolution, module, files) => {
  for (const [file, text] of Object.entries(files)) writeFileSync(join(app, file), text)
  const compilerOptions = {
    module,
    moduleResolution,
    target: 'es2022',
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    // The package's own declarations are what is tested.
    skipLibCheck: false,
    typeRoots: [join(repository, 'node_modules/@types')],
    types: ['node'],
  }
  const config = join(app, `tsconfig.${moduleResolution}.json`)
  writeFileSync(config, JSON.stringify({ compilerOptions, files: Object.keys(files) }))
  const tsc = join(repository, 'node_modules/typescript/bin/tsc')
  const { exitCode, stdout } = await node([tsc, '-p', config], { cwd: app })
  expect([exitCode, stdout]).toEqual([0, ''])
})
