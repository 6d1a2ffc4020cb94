import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
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
  remove(): Promise<void>
}

interface ServerOptions {
  readonly url: string
  readonly port: number
  readonly folder: string
  readonly program: string
  readonly args: readonly string[]
  readonly user: string
  readonly stopSignal: NodeJS.Signals
  /** Throws while it does not answer yet. */
  readonly ask: () => Promise<unknown>
}

const PATIENCE = 30_000

export async function serverProcess(options: ServerOptions): Promise<OwnServer> {
  const { url, port, folder, program, args, user, stopSignal, ask } = options
  let child: ChildProcess | undefined
  const end = async (signal: (pid: number) => void): Promise<void> => {
    const running = child
    child = undefined
    if (running?.pid === undefined || running.exitCode !== null || running.signalCode !== null) return
    const exited = once(running, 'exit')
    signal(running.pid)
    await exited
  }
  const all = (name: NodeJS.Signals) => (pid: number) => {
    for (const one of [pid, ...childrenOf(pid)]) signalTo(one, name)
  }
  const server: OwnServer = {
    url,
    port,
    folder,
    start: async () => {
      server.resume()
      if (child) return
      const started = spawn(program, [...args], { stdio: ['ignore', 'ignore', 'pipe'], ...idsOf(user) })
      child = started
      const said: string[] = []
      started.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()))
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
    kill: () => end(all('SIGKILL')),
    pause: () => child?.pid !== undefined && all('SIGSTOP')(child.pid),
    resume: () => child?.pid !== undefined && all('SIGCONT')(child.pid),
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
function idsOf(user: string): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${user}:`))
  const [, , uid, gid] = line?.split(':') ?? []
  return { uid: Number(uid), gid: Number(gid) }
}

/** PostgreSQL has a process for each connection, in a session of its own. */
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
