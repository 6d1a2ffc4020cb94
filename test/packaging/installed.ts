import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'
import { mustRun } from './child.js'

/** The package as a user has it: packed from a copy of this tree and installed in a program of its own. */
export interface Installed {
  readonly tarball: string
  /** Where the program is; nothing but token-thread and what it depends on is in its node_modules. */
  readonly app: string
}

declare module 'vitest' {
  interface ProvidedContext {
    installed: Installed
  }
}

export const repository = fileURLToPath(new URL('../..', import.meta.url))

/** A vitest project's `globalSetup`. The projects of one run share what the first of them has installed. */
export async function setup(project: TestProject): Promise<() => void> {
  const key = 'TOKEN_THREAD_INSTALLED'
  const shared = process.env[key]
  const folder = shared ?? mkdtempSync(join(tmpdir(), 'token-thread-packaging-'))
  const remove = (): void => {
    if (shared === undefined) rmSync(folder, { recursive: true, force: true })
  }
  process.env[key] = folder
  try {
    if (shared === undefined) await install(folder)
  } catch (error) {
    remove()
    throw error
  }
  project.provide('installed', { tarball: join(folder, 'token-thread.tgz'), app: join(folder, 'app') })
  return remove
}

async function install(folder: string): Promise<void> {
  const tarball = join(folder, 'token-thread.tgz')
  // Another Node's run has packed it: it is the same package.
  const packed = process.env.TOKEN_THREAD_TARBALL
  if (packed === undefined) await pack(folder, tarball)
  else copyFileSync(packed, tarball)

  const app = join(folder, 'app')
  mkdirSync(app)
  writeFileSync(join(app, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }))
  await mustRun('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '../token-thread.tgz'], app)
}

async function pack(folder: string, tarball: string): Promise<void> {
  // A copy: building here would pull dist from under whoever is using it.
  const copy = join(folder, 'copy')
  const left = ['.git', 'node_modules', 'dist', 'coverage']
  cpSync(repository, copy, { recursive: true, filter: (path) => !left.includes(basename(path)) })
  symlinkSync(join(repository, 'node_modules'), join(copy, 'node_modules'))
  mkdirSync(join(copy, 'dist'))
  writeFileSync(join(copy, 'dist/left-over.js'), 'the build must remove this')
  await mustRun('npm', ['pack', '--pack-destination', folder], copy)
  const packed = readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? ''
  renameSync(join(folder, packed), tarball)
}
