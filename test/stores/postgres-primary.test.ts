import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { Store } from '../../src/store.js'
import { postgresStore } from '../../workers/stores/sql/postgres.js'
import { migration } from '../../workers/stores/sql/schema.js'
import { cleanUp } from '../support/cleanup.js'
import { postgresServer } from '../support/postgres-server.js'
import type { OwnServer } from '../support/server-process.js'
import { describeWith } from '../support/servers.js'
import { postgresDatabase, postgresRun } from '../support/sql-databases.js'
import { STARTING } from '../support/sql-outages.js'

const LEASE = { duration: 60_000, known: 0 }
const READ_ONLY = 'this server is read-only: the url must lead to the primary'

function opened(url: string): Store {
  const store = postgresStore(url, {
    clock: systemClock,
    warn: (message) => expect.unreachable(message),
  })
  cleanUp(() => store.close())
  return store
}

/** A role of the test's own that may use the table, as `with` says. */
async function roleOn(url: string, options: string): Promise<{ role: string; url: string }> {
  const role = `tt_role_${crypto.randomUUID().replaceAll('-', '')}`
  await postgresRun(url, migration('postgres'))
  await postgresRun(
    url,
    `create role ${role} login ${options}; grant select, insert, update on token_thread to ${role}`,
  )
  cleanUp(() => postgresRun(url, `drop owned by ${role}; drop role ${role}`))
  const own = new URL(url)
  own.username = role
  return { role, url: own.href }
}

describeWith('postgres', 'a PostgreSQL that is no primary any more', () => {
  test('is let go of: the next connections lead to the new one, that which listens too', async () => {
    const database = await postgresDatabase()
    const { role, url } = await roleOn(database, '')
    await postgresRun(database, `alter role ${role} set default_transaction_read_only = on`)
    const store = opened(url)
    const heard: unknown[] = []
    store.watch((notice) => heard.push(notice))
    await expect.poll(() => heard, { timeout: 20_000 }).toEqual([undefined])
    await Promise.all([store.load('key'), store.load('key')])
    await postgresRun(database, `alter role ${role} reset all`)
    await expect(store.acquire('key', LEASE)).rejects.toThrow(READ_ONLY)
    await expect(store.acquire('key', LEASE)).resolves.toMatchObject({ granted: true })
    await expect.poll(() => heard, { timeout: 20_000 }).toEqual([undefined, undefined])
  })
})

describeWith('postgres', 'a PostgreSQL that takes no more connections', () => {
  test('of one role: two operations at once are done by the one that there is', async () => {
    const { url } = await roleOn(await postgresDatabase(), 'connection limit 1')
    const store = opened(url)
    for (const count of [2, 20])
      for (const { epoch } of await Promise.all(Array.from({ length: count }, async () => store.load('key'))))
        expect(epoch).toBe(0)
  })

  test('at all: an operation fails and says so, and the next one works when there is room', async () => {
    const database = await postgresDatabase()
    const { role, url } = await roleOn(database, 'connection limit 0')
    const store = opened(url)
    for (const operation of await Promise.allSettled([store.load('key'), store.load('key')]))
      expect(operation).toMatchObject({ status: 'rejected', reason: { name: 'Error' } })
    await expect(store.load('key')).rejects.toThrow('too many connections for role')
    await postgresRun(database, `alter role ${role} connection limit 5`)
    await expect(store.acquire('key', LEASE)).resolves.toMatchObject({ granted: true })
  })
})

describeWith('postgres-program', 'a PostgreSQL that is a replica', () => {
  let server: OwnServer
  beforeAll(async () => {
    server = await postgresServer()
  }, STARTING)
  afterAll(() => server.remove())

  test('is named as what it is, not as one behind a pooler; and is used once it is promoted', async () => {
    const before = opened(server.url)
    await before.load('key')
    await before.close()
    await server.stop()
    writeFileSync(join(server.folder, 'data', 'standby.signal'), '')
    await server.start()
    const store = opened(server.url)
    const heard: unknown[] = []
    store.watch((notice) => heard.push(notice))
    expect((await store.load('key')).epoch).toBe(0)
    await expect(store.acquire('key', LEASE)).rejects.toThrow(READ_ONLY)
    expect(store.pollEvery).toBe(5_000)
    await postgresRun(server.url, 'select pg_promote()')
    // It tries to listen again soon: one that took it for a pooler would not within a minute, and would have warned.
    await expect(store.acquire('key', LEASE)).resolves.toMatchObject({ granted: true })
    await expect.poll(() => heard, { timeout: 20_000 }).toEqual([undefined])
  })
})
