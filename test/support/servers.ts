import { existsSync, readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'vitest'

/**
 * The servers that tests of stores need: those that run on this machine, on their usual ports, and the programs by
 * which a test starts one of its own, to stop, pause or kill it.
 */
export type Server =
  | 'postgres'
  | 'mysql'
  | 'redis'
  | 'postgres-program'
  | 'mysql-program'
  | 'redis-program'
  | 'redis-sentinel-program'
  | 'pgbouncer-program'

/** Of those that run on this machine: trust, or a root without a password. */
export const POSTGRES_URL = 'postgres://postgres@127.0.0.1:5432/postgres'
export const MYSQL_URL = 'mysql://root@127.0.0.1:3306'
export const REDIS_URL = 'redis://127.0.0.1:6379'

const FOLDERS = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin', ...postgresFolders()]

/** Where a program is; undefined: not on this machine. */
export function programOf(...names: readonly string[]): string | undefined {
  return names.flatMap((name) => FOLDERS.map((folder) => join(folder, name))).find((path) => existsSync(path))
}

/** Debian keeps PostgreSQL's programs out of PATH, the newest version is taken. */
function postgresFolders(): string[] {
  const root = '/usr/lib/postgresql'
  if (!existsSync(root)) return []
  const versions = readdirSync(root).sort((a, b) => Number(b) - Number(a))
  return versions.map((version) => join(root, version, 'bin'))
}

interface Found {
  readonly isHere: boolean
  /** What is missing, and how to get it. */
  readonly otherwise: string
}

const [postgres, mysql, redis] = await Promise.all([listens(5432), listens(3306), listens(6379)])
const found: Readonly<Record<Server, Found>> = {
  postgres: {
    isHere: postgres,
    otherwise:
      'no PostgreSQL on 127.0.0.1:5432 (apt-get install postgresql; trust user postgres in pg_hba.conf)',
  },
  mysql: {
    isHere: mysql,
    otherwise:
      'no MySQL or MariaDB on 127.0.0.1:3306 (apt-get install mariadb-server; root without a password)',
  },
  redis: { isHere: redis, otherwise: 'no Redis on 127.0.0.1:6379 (apt-get install redis-server)' },
  'postgres-program': {
    isHere: programOf('initdb') !== undefined && programOf('postgres') !== undefined,
    otherwise: 'no program postgres (apt-get install postgresql)',
  },
  'mysql-program': {
    isHere: programOf('mariadbd') !== undefined && programOf('mariadb-install-db') !== undefined,
    otherwise: 'no program mariadbd (apt-get install mariadb-server)',
  },
  'redis-program': {
    isHere: programOf('redis-server') !== undefined,
    otherwise: 'no program redis-server (apt-get install redis-server)',
  },
  // The same program: `redis-server --sentinel` is a sentinel.
  'redis-sentinel-program': {
    isHere: programOf('redis-sentinel', 'redis-server') !== undefined,
    otherwise: 'no program redis-sentinel (apt-get install redis-sentinel)',
  },
  'pgbouncer-program': {
    isHere: programOf('pgbouncer') !== undefined,
    otherwise: 'no program pgbouncer (apt-get install pgbouncer)',
  },
}

/** Where all that a release was tested with must be there: what is missing fails instead of being skipped. */
const isRequired = process.env.TOKEN_THREAD_REQUIRE_SERVERS === '1'

/** `describe` that is skipped by name, with how to get what is missing, where this machine lacks a server. */
export function describeWith(servers: Server | readonly Server[], name: string, body: () => void): void {
  const needed: readonly Server[] = typeof servers === 'string' ? [servers] : servers
  const missing = needed.filter((server) => !found[server].isHere).map((server) => found[server].otherwise)
  if (missing.length === 0) describe(name, body)
  else if (!isRequired) describe.skip(`${name} [skipped: ${missing.join('; ')}]`, body)
  else
    describe(name, () => {
      test('this machine has what it needs', () => {
        throw new Error(missing.join('; '))
      })
    })
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: 2_000 })
    const answer = (is: boolean): void => {
      socket.destroy()
      resolve(is)
    }
    socket.once('connect', () => answer(true))
    socket.once('error', () => answer(false))
    socket.once('timeout', () => answer(false))
  })
}
