import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@redis/client'
import pg from 'pg'
import type { Kind } from './fleet-sheet.js'

/** A store of one bench. Its servers are the bench's own, since others' work would be counted: their programs must be in PATH. */
export interface FleetStore {
  /** URL or path. */
  readonly at: string
  /** How many scripts the server ran, where it counts them. */
  readonly scripts?: () => Promise<number>
  close(): Promise<void>
}

/** Two connections a node and one that listens; a bare listener has one. */
const CONNECTIONS = 400
/** ms */
const PATIENCE = 30_000

export const STORES: Readonly<Record<Kind, () => Promise<FleetStore>>> = {
  redis: redisServer,
  postgres: postgresServer,
  file: () => {
    const folder = newFolder()
    return Promise.resolve({ at: join(folder, 'tokens.json'), close: () => Promise.resolve(remove(folder)) })
  },
}

async function redisServer(): Promise<FleetStore> {
  const folder = newFolder()
  const port = await freePort()
  const url = `redis://127.0.0.1:${port}`
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const stop = await started('redis-server', args, {}, () => redisInfo(url, 'server'))
  return {
    at: url,
    async scripts() {
      const info = await redisInfo(url, 'commandstats')
      return [...info.matchAll(/^cmdstat_eval\w*:calls=(\d+)/gm)].reduce((sum, [, n]) => sum + Number(n), 0)
    },
    async close() {
      await stop()
      remove(folder)
    },
  }
}

async function redisInfo(url: string, section: string): Promise<string> {
  const client = createClient({ url, socket: { reconnectStrategy: false } })
  client.on('error', () => undefined)
  await client.connect()
  const info = await client.info(section)
  await client.close()
  return info
}

async function postgresServer(): Promise<FleetStore> {
  const folder = newFolder()
  const ids = idsOf('postgres')
  if (ids.uid !== undefined && ids.gid !== undefined) chownSync(folder, ids.uid, ids.gid)
  const data = join(folder, 'data')
  const port = await freePort()
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  execFileSync('initdb', ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8'], {
    ...ids,
    cwd: folder,
    stdio: 'ignore',
  })
  const settings = [
    'listen_addresses=127.0.0.1',
    `unix_socket_directories=${folder}`,
    `max_connections=${CONNECTIONS}`,
  ]
  const args = ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])]
  const stop = await started('postgres', args, ids, async () => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.end()
  })
  return {
    at: url,
    async close() {
      await stop()
      remove(folder)
    },
  }
}

/** Resolves when it answers, with what ends it. */
async function started(
  program: string,
  args: readonly string[],
  ids: Ids,
  ask: () => Promise<unknown>,
): Promise<() => Promise<void>> {
  const child = spawn(program, args, { ...ids, stdio: 'ignore' })
  const exit = once(child, 'exit')
  exit.catch(() => undefined)
  const stop = async (): Promise<void> => {
    // PostgreSQL waits for its clients on SIGTERM, not on this.
    child.kill('SIGINT')
    await exit
  }
  const limit = Date.now() + PATIENCE
  for (;;) {
    try {
      await ask()
      return stop
    } catch (error) {
      if (child.pid === undefined || child.exitCode !== null || Date.now() > limit) {
        child.kill('SIGKILL')
        throw new Error(`${program} does not start`, { cause: error })
      }
      await sleep(50)
    }
  }
}

interface Ids {
  readonly uid?: number
  readonly gid?: number
}

/** PostgreSQL does not run as root: then as the user whom its package made. */
function idsOf(user: string): Ids {
  if (process.getuid?.() !== 0) return {}
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n')
  const [, , uid, gid] = lines.find((line) => line.startsWith(`${user}:`))?.split(':') ?? []
  return { uid: Number(uid), gid: Number(gid) }
}

const newFolder = (): string => mkdtempSync(join(tmpdir(), 'token-thread-bench-'))

const remove = (folder: string): void => rmSync(folder, { recursive: true, force: true })

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  if (address === null || typeof address === 'string') throw new Error('no port was given')
  return address.port
}
