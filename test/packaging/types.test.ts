import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'
import { node } from './child.js'
import { repository } from './installed.js'

const { app } = inject('installed')

test.each([
  ['nodenext', 'nodenext', ['consumer.ts', 'consumer.cts']],
  ['bundler', 'esnext', ['consumer.ts']],
])('strict TypeScript compiles against the package under %s', async (moduleResolution, module, files) => {
  for (const file of files) copyFileSync(join(import.meta.dirname, 'fixtures', file), join(app, file))
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
  writeFileSync(config, JSON.stringify({ compilerOptions, files }))
  const tsc = join(repository, 'node_modules/typescript/bin/tsc')
  const { exitCode, stdout } = await node([tsc, '-p', config], { cwd: app })
  expect([exitCode, stdout]).toEqual([0, ''])
})
