import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { isRecord } from '../../simulator/checks.js'
import { childEnv } from '../packaging/child.js'

const cwd = fileURLToPath(new URL('../../', import.meta.url))
/** ms; a run that has not ended by then is killed, which no expectation takes for a good end. */
const LIMIT = 110_000

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /** Resolves when stderr has this text. */
  says(text: string): Promise<void>
}

/** `npm run load-test -- ...args` */
export function loadTest(args: readonly string[]): Running {
  const child = spawn(process.execPath, ['--import', 'tsx', 'load-test/main.ts', ...args], {
    cwd,
    env: childEnv(),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT)
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code) => {
      clearTimeout(limit)
      resolve({ code, stdout, stderr })
    })
  })
  const says = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (stderr.includes(text)) resolve()
      }
      child.stderr.on('data', look)
      child.on('close', () => reject(new Error(`it ended without saying ${text}: ${stderr}`)))
      look()
    })
  return { child, ended, says }
}

/** The last line of `--json`. */
export function figuresIn(stdout: string): { modes: Record<string, unknown>[]; noise: unknown } {
  const figures: unknown = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')
  if (!isRecord(figures) || !Array.isArray(figures.modes)) throw new Error(`no figures in ${stdout}`)
  return { modes: figures.modes.filter(isRecord), noise: figures.noise }
}
