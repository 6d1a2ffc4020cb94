import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, inject, test } from 'vitest'
import { type Simulator, startSimulator } from '../../simulator/index.js'
import { childEnv } from '../packaging/child.js'
import { repository } from '../packaging/installed.js'

/** Each example runs as it is: copied into a program that has the packed package. */

const { app } = inject('installed')
const examples = readdirSync(join(repository, 'examples')).filter((file) => file.endsWith('.ts'))
const folder = join(app, '../examples/program')
const appId = 'wx0000000000000001'
const answered = { status: 200, body: '{"ip_list":["127.0.0.1"]}' }

const cleanUps: (() => unknown)[] = []

beforeAll(() => {
  if (existsSync(folder)) return
  mkdirSync(join(folder, 'node_modules'), { recursive: true })
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  symlinkSync(join(app, 'node_modules/token-thread'), join(folder, 'node_modules/token-thread'))
  // The frameworks, and what runs TypeScript, are found one folder up.
  symlinkSync(join(repository, 'node_modules'), join(folder, '../node_modules'))
})

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

test('there are examples', () => {
  expect(examples.sort()).toEqual(['express.ts', 'fastify.ts', 'koa.ts', 'node-http.ts'])
})

describe.each(examples)('%s', (file) => {
  test('answers, heals a revoked token, and ends on SIGTERM', async () => {
    const simulator = await startSimulator({ accounts: [{ appId, appSecret: 'secret' }] })
    cleanUps.push(() => simulator.close())
    const server = await Server.start(file, simulator)

    expect(await server.ask()).toEqual(answered)
    expect(simulator.counters()).toMatchObject({ issued: 1 })

    simulator.revoke(appId)
    expect(await server.ask()).toEqual(answered)
    expect(simulator.counters()).toMatchObject({ issued: 2 })
    expect(await server.ask()).toEqual(answered)
    expect(simulator.counters()).toMatchObject({ issued: 2 })

    expect(await server.end()).toEqual([0, null])
  })

  test('finishes the request that is under way when SIGTERM comes, healing included', async () => {
    const simulator = await startSimulator({ accounts: [{ appId, appSecret: 'secret' }] })
    cleanUps.push(() => simulator.close())
    const server = await Server.start(file, simulator)
    simulator.revoke(appId)
    const held = simulator.inject({ on: 'token', hold: true })
    const tokenCall = new Promise<void>((resolve) => {
      simulator.on('request', ({ kind }) => kind === 'stable_token' && resolve())
    })
    const answer = server.ask()
    await tokenCall
    const ended = server.end()
    await server.unreachable()
    held.release()
    expect(await Promise.all([answer, ended])).toEqual([answered, [0, null]])
  })
})

/** An example, running. */
class Server {
  readonly #child: ChildProcess
  readonly #port: number
  readonly #ended: Promise<unknown[]>

  static async start(file: string, simulator: Simulator): Promise<Server> {
    const server = new Server(file, await freePort(), simulator)
    await server.#listening()
    return server
  }

  private constructor(file: string, port: number, { url }: Simulator) {
    copyFileSync(join(repository, 'examples', file), join(folder, file))
    const WECHAT = { WECHAT_APPID: appId, WECHAT_APPSECRET: 'secret', WECHAT_BASE_URL: url }
    this.#port = port
    this.#child = spawn(process.execPath, ['--import', 'tsx', file], {
      cwd: folder,
      env: childEnv({ ...WECHAT, PORT: String(port) }),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#ended = once(this.#child, 'close')
    cleanUps.push(() => this.#child.kill('SIGKILL') && this.#ended)
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
    let output = ''
    await new Promise<void>((resolve, reject) => {
      const onData = (data: unknown): void => {
        output += String(data)
        if (output.includes('listening on')) resolve()
      }
      this.#child.stdout?.on('data', onData)
      this.#child.stderr?.on('data', onData)
      void this.#ended.then(() => reject(new Error(`it ended before it listened: ${output}`)))
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
