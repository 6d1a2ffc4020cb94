import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { folderOf, freePort, type OwnServer, serverProcess } from './server-process.js'
import { POSTGRES_URL, programOf } from './servers.js'
import { postgresRun } from './sql-databases.js'

const USER = 'postgres'

/**
 * A PgBouncer before a PostgreSQL. It lets in everybody, to each database; where `passwords` are given those users
 * alone, to the database `postgres`. Whoever starts it removes it.
 */
export async function pgbouncer(
  mode: 'transaction' | 'session',
  passwords?: Readonly<Record<string, string>>,
): Promise<OwnServer> {
  const { hostname, port: serverPort } = new URL(POSTGRES_URL)
  const folder = folderOf(USER)
  const port = await freePort()
  const config = join(folder, 'pgbouncer.ini')
  const users = join(folder, 'users.txt')
  const lines = Object.entries(passwords ?? {}).map(([user, password]) => `"${user}" "${password}"`)
  writeFileSync(users, lines.join('\n'))
  chmodSync(users, 0o644)
  const settings = [
    '[databases]',
    `${passwords ? 'postgres' : '*'} = host=${hostname} port=${serverPort} user=${USER}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    ...(passwords ? ['auth_type = plain', `auth_file = ${users}`] : ['auth_type = any']),
    `pool_mode = ${mode}`,
    'unix_socket_dir =',
    'default_pool_size = 4',
  ]
  writeFileSync(config, settings.join('\n'))
  chmodSync(config, 0o644)
  const [[user, password] = [USER, '']] = Object.entries(passwords ?? {})
  const url = `postgres://${user}:${password}@127.0.0.1:${port}/postgres`
  return serverProcess({
    url,
    port,
    folder,
    program: programOf('pgbouncer') ?? 'pgbouncer',
    args: [config],
    user: USER,
    stopSignal: 'SIGINT',
    ask: () => postgresRun(url, 'select 1'),
  })
}
