import { join } from 'node:path'
import { folderOf, freePort, type OwnServer, runAs, serverProcess } from './server-process.js'
import { programOf } from './servers.js'
import { postgresRun } from './sql-databases.js'

const USER = 'postgres'

/** A PostgreSQL of a test's own. `settings`: as in its configuration, `name=value`. Whoever starts it removes it. */
export async function postgresServer(...settings: readonly string[]): Promise<OwnServer> {
  const folder = folderOf(USER)
  const data = join(folder, 'data')
  const port = await freePort()
  const url = `postgres://${USER}@127.0.0.1:${port}/postgres`
  runAs(USER, programOf('initdb') ?? 'initdb', ['-D', data, '-U', USER, '-A', 'trust', '-E', 'UTF8', '-N'])
  const own = ['listen_addresses=127.0.0.1', `unix_socket_directories=${folder}`, 'fsync=off']
  return serverProcess({
    url,
    port,
    folder,
    program: programOf('postgres') ?? 'postgres',
    args: ['-D', data, '-p', String(port), ...[...own, ...settings].flatMap((setting) => ['-c', setting])],
    user: USER,
    stopSignal: 'SIGINT',
    ask: () => postgresRun(url, 'select 1'),
  })
}
