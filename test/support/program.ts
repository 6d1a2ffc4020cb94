import { spawn } from 'node:child_process'
import type { Simulator } from '../../simulator/index.js'
import { cleanUp } from './cleanup.js'
import { optionsFor } from './simulated.js'

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

const ROOT = new URL('../../', import.meta.url)

/**
 * Runs a module of its own process to its end. It finds `TokenThread`, `options` (for the simulator) and `once`.
 * One that does not end is killed after a minute, which no expectation takes for a good end.
 */
export function program(sim: Simulator, code: string, env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const prelude = [
    `import { once } from 'node:events'`,
    `import { fromSource } from '${new URL('scripts/from-source.mjs', ROOT).href}'`,
    `const { TokenThread } = await fromSource('${new URL('src/index.ts', ROOT).href}')`,
    `const options = ${JSON.stringify(optionsFor(sim))}`,
  ].join('\n')
  const child = spawn(process.execPath, ['--input-type=module', '-e', `${prelude}\n${code}`], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const limit = setTimeout(() => child.kill('SIGKILL'), 60_000)
  cleanUp(() => {
    clearTimeout(limit)
    child.kill('SIGKILL')
  })
  return new Promise((resolve) => {
    const out: string[] = []
    const err: string[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk.toString()))
    child.on('close', (exitCode, signal) => {
      clearTimeout(limit)
      resolve({ code: exitCode, signal, stdout: out.join(''), stderr: err.join('') })
    })
  })
}
