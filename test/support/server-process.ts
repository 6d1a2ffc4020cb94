import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** A server of a test's own: on a free port of 127.0.0.1, with its data in a folder of its own. */
export interface OwnServer {
  readonly url: string
  readonly port: number
  readonly folder: string
  /**
   * Starts it again after `stop` or `kill`, with the same data on the same port; one that runs goes on. Resolves when it
   * answers.
   */
  start(): Promise<void>
  /** In order: it takes leave of its clients. */
  stop(): Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
  /** SIGSTOP: connections stay open, and nothing answers. */
  pause(): void
  resume(): void
  /** Kills it and deletes its data. */
  readonly remove: () => Promise<void>
}

interface ServerOptions {
  readonly url: string
  readonly port: number
  readonly folder: string
  readonly program: string
  readonly args: readonly string[]
  /** Default: the one who runs the test. */
  readonly user?: string
  readonly stopSignal: NodeJS.Signals
  /** Throws while it does not answer yet. */
  readonly ask: () => Promise<unknown>
}

const PATIENCE = 30_000

/** None outlives the test's process. */
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const { pid } of running) if (pid !== undefined) signalToAll(pid, 'SIGKILL')
})

export async function serverProcess(options: ServerOptions): Promise<OwnServer> {
  const { url, port, folder, program, args, user, stopSignal, ask } = options
  let child: ChildProcess | undefined
  const end = async (signal: (pid: number) => void): Promise<void> => {
    const ending = child
    child = undefined
    if (ending?.pid === undefined || ending.exitCode !== null || ending.signalCode !== null) return
    const exited = once(ending, 'exit')
    signal(ending.pid)
    // One that is paused hears nothing else.
    signalToAll(ending.pid, 'SIGCONT')
    await exited
  }
  const server: OwnServer = {
    url,
    port,
    folder,
    start: async () => {
      server.resume()
      if (child) return
      const started = spawn(program, [...args], { stdio: ['ignore', 'pipe', 'pipe'], ...idsOf(user) })
      child = started
      running.add(started)
      started.once('exit', () => running.delete(started))
      const said: string[] = []
      for (const stream of [started.stdout, started.stderr])
        stream.on('data', (chunk: Buffer) => said.push(chunk.toString()))
      const limit = Date.now() + PATIENCE
      for (;;) {
        try {
          await ask()
          return
        } catch (error) {
          if (started.exitCode !== null || Date.now() > limit)
            throw new Error(`${program} did not start: ${said.join('')}`, { cause: error })
          await sleep(50)
        }
      }
    },
    stop: () => end((pid) => signalTo(pid, stopSignal)),
    kill: () => end((pid) => signalToAll(pid, 'SIGKILL')),
    pause: () => child?.pid !== undefined && signalToAll(child.pid, 'SIGSTOP'),
    resume: () => child?.pid !== undefined && signalToAll(child.pid, 'SIGCONT'),
    remove: async () => {
      await server.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  await server.start()
  return server
}

/** A folder that this user may write; only root can run a program as another. */
export function folderOf(user: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'token-thread-server-'))
  const { uid, gid } = idsOf(user)
  if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid)
  return folder
}

/** Runs a program to its end, as this user. */
export function runAs(user: string, program: string, args: readonly string[]): void {
  const { status, stderr, stdout } = spawnSync(program, [...args], { encoding: 'utf8', ...idsOf(user) })
  if (status !== 0) throw new Error(`${program} failed: ${stdout}${stderr}`)
}

/** Servers refuse to run as root: then they run as the user whom their package made. */
function idsOf(user: string | undefined): { readonly uid?: number; readonly gid?: number } {
  if (user === undefined || process.getuid?.() !== 0) return {}
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${user}:`))
  const [, , uid, gid] = line?.split(':') ?? []
  return { uid: Number(uid), gid: Number(gid) }
}

/** PostgreSQL has a process for each connection, in a session of its own. */
function signalToAll(pid: number, name: NodeJS.Signals): void {
  for (const one of [pid, ...childrenOf(pid)]) signalTo(one, name)
}

function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === pid)
    .map(Number)
}

function parentOf(pid: string): number | undefined {
  try {
    // pid (name) state ppid; the name may hold anything.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return undefined
  }
}

function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It ended in the meantime.
  }
}

/** Not yet used, it may be: a server needs several at once. */
const given = new Set<number>()

/** Below those that the system gives to outgoing connections: a server that is started again finds its port free. */
export async function freePort(): Promise<number> {
  for (let i = 0; i < 100; i++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    if (given.has(port)) continue
    given.add(port)
    if (await isFree(port)) return port
  }
  throw new Error('no free port')
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
