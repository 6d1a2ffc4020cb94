import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { Store } from '../../src/store.js'
import { mysqlStore } from '../../workers/stores/sql/mysql.js'
import { migration } from '../../workers/stores/sql/schema.js'
import { cleanUp } from '../support/cleanup.js'
import { mariadbServer } from '../support/mariadb-server.js'
import type { OwnServer } from '../support/server-process.js'
import { describeWith } from '../support/servers.js'
import { mysqlRun } from '../support/sql-databases.js'
import { STARTING } from '../support/sql-outages.js'

const LEASE = { duration: 60_000, known: 0 }

describeWith('mysql-program', 'a MariaDB', () => {
  let server: OwnServer
  beforeAll(async () => {
    server = await mariadbServer()
    await mysqlRun(server.url, migration('mysql'))
  }, STARTING)
  afterAll(() => server.remove())

  function opened(user: string): Store {
    const url = new URL(server.url)
    url.username = user
    const store = mysqlStore(url.href, {
      clock: systemClock,
      warn: (message) => expect.unreachable(message),
    })
    cleanUp(() => store.close())
    return store
  }

  /** Who has no more rights than it needs: to others a read-only server is none. */
  async function user(name: string, limits = ''): Promise<void> {
    await mysqlRun(
      server.url,
      `create user ${name}@'%' ${limits}; grant select, insert, update on test.token_thread to ${name}@'%'`,
    )
  }

  test('that became read-only is let go of: the next connections lead to the new primary', async () => {
    await user('failing')
    const store = opened('failing')
    await Promise.all([store.load('key'), store.load('key')])
    const connections = `select id from information_schema.processlist where user = 'failing'`
    expect(await mysqlRun(server.url, connections)).toHaveLength(2)
    await mysqlRun(server.url, 'set global read_only = 1')
    await expect(store.acquire('key', LEASE)).rejects.toThrow(
      /read-only.*this server is read-only: the url must lead to the primary/,
    )
    await expect.poll(() => mysqlRun(server.url, connections), { timeout: 20_000 }).toEqual([])
    await mysqlRun(server.url, 'set global read_only = 0')
    await expect(store.acquire('key', LEASE)).resolves.toMatchObject({ granted: true })
  })

  test('that takes one connection of a user: two operations at once are done by that one', async () => {
    await user('single', 'with max_user_connections 1')
    const store = opened('single')
    for (const count of [2, 20])
      for (const { now } of await Promise.all(Array.from({ length: count }, async () => store.load('key'))))
        expect(now).toBeGreaterThan(0)
  })
})
