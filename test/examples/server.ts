import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { basename, join } from 'node:path'
import { transformSync } from 'esbuild'
import { inject } from 'vitest'
import type { Simulator } from '../../simulator/index.js'
import { childEnv } from '../packaging/child.js'
import { repository } from '../packaging/installed.js'
import { cleanUp } from '../support/cleanup.js'

export const appId = 'wx0000000000000001'

/** A program that has the packed package; each test file has its own. */
export function programFor(testFile: string): string {
  const { app } = inject('installed')
  const above = join(app, '..', `program-of-${testFile}`)
  const folder = join(above, 'program')
  if (existsSync(folder)) return folder
  mkdirSync(join(folder, 'node_modules'), { recursive: true })
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  symlinkSync(join(app, 'node_modules/token-thread'), join(folder, 'node_modules/token-thread'))
  // The frameworks, and what runs TypeScript, are found one folder up.
  symlinkSync(join(repository, 'node_modules'), join(above, 'node_modules'))
  return folder
}

/** An example, running. */
export class Server {
  readonly #child: ChildProcess
  readonly #port: number
  readonly #ended: Promise<unknown[]>
  /** What it wrote so far, both streams. */
  output = ''

  static async start(
    folder: string,
    file: string,
    simulator: Simulator,
    env: Readonly<Record<string, string>> = {},
  ): Promise<Server> {
    const server = new Server(folder, file, await freePort(), simulator, env)
    await server.#listening()
    return server
  }

  private constructor(
    folder: string,
    example: string,
    port: number,
    { url }: Simulator,
    env: Readonly<Record<string, string>>,
  ) {
    const file = basename(example).replace(/\.ts$/, '.js')
    const source = readFileSync(join(repository, 'examples', example), 'utf8')
    // Its types are taken out once, here: tsx would take a second of CPU for it at each start.
    writeFileSync(join(folder, file), transformSync(source, { loader: 'ts', format: 'esm' }).code)
    const WECHAT = { WECHAT_APPID: appId, WECHAT_APPSECRET: 'secret', WECHAT_BASE_URL: url }
    this.#port = port
    this.#child = spawn(process.execPath, [file], {
      cwd: folder,
      env: childEnv({ ...WECHAT, ...env, PORT: String(port) }),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#ended = once(this.#child, 'close')
    cleanUp(() => this.#child.kill('SIGKILL') && this.#ended)
  }

  async ask(): Promise<{ status: number; body: string }> {
    const response = await fetch(`http://localhost:${this.#port}/`, { headers: { connection: 'close' } })
    return { status: response.status, body: await response.text() }
  }

  /** Its exit code and the signal that ended it, after SIGTERM. */
  end(): Promise<unknown[]> {
    this.#child.kill('SIGTERM')
    return this.#ended
  }

  /** Resolves when it takes no more connections. */
  async unreachable(): Promise<void> {
    while (await canConnect(this.#port));
  }

  async #listening(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const onData = (data: unknown): void => {
        this.output += String(data)
        if (this.output.includes('listening on')) resolve()
      }
      this.#child.stdout?.on('data', onData)
      this.#child.stderr?.on('data', onData)
      void this.#ended.then(() => reject(new Error(`it ended before it listened: ${this.output}`)))
    })
  }
}

async function canConnect(port: number): Promise<boolean> {
  const socket = connect(port, 'localhost')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** Below the ports that systems hand out by themselves, so that nobody is given it in the meantime. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    if (!(await canConnect(port))) return port
  }
}
