import { join } from 'node:path'
import { folderOf, freePort, type OwnServer, runAs, serverProcess } from './server-process.js'
import { programOf } from './servers.js'
import { mysqlRun } from './sql-databases.js'

const USER = 'mysql'

/** A MariaDB of a test's own, with a database `test`. `options`: as on its command line. Whoever starts it removes it. */
export async function mariadbServer(...options: readonly string[]): Promise<OwnServer> {
  const folder = folderOf(USER)
  const data = join(folder, 'data')
  const port = await freePort()
  const server = `mysql://root@127.0.0.1:${port}`
  runAs(USER, programOf('mariadb-install-db') ?? 'mariadb-install-db', [
    '--no-defaults',
    `--datadir=${data}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
  ])
  return serverProcess({
    url: `${server}/test`,
    port,
    folder,
    program: programOf('mariadbd') ?? 'mariadbd',
    args: [
      '--no-defaults',
      `--datadir=${data}`,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      `--socket=${join(folder, 'socket')}`,
      // What is committed survives a kill of the server, though not of the machine.
      '--innodb-flush-log-at-trx-commit=2',
      ...options,
    ],
    user: USER,
    stopSignal: 'SIGTERM',
    ask: () => mysqlRun(server, 'create database if not exists test'),
  })
}
