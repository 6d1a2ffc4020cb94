import { copyFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { Store } from '../../src/store.js'
import { postgresStore } from '../../workers/stores/sql/postgres.js'
import { cleanUp } from '../support/cleanup.js'
import { postgresServer } from '../support/postgres-server.js'
import type { OwnServer } from '../support/server-process.js'
import { describeWith } from '../support/servers.js'
import { postgresRun } from '../support/sql-databases.js'
import { tlsTests } from '../support/sql-tls.js'
import { temporaryFolder } from '../support/temporary-folder.js'

function urlOf(server: OwnServer, ca: string): string {
  const url = new URL(server.url)
  url.searchParams.set('sslmode', 'verify-full')
  url.searchParams.set('sslrootcert', ca)
  return url.href
}

function open(url: string): Store {
  return postgresStore(url, { clock: systemClock, warn: () => undefined })
}

describeWith('postgres-program', 'a PostgreSQL over TLS', () => {
  let server: OwnServer
  let ca: string

  tlsTests({
    user: 'postgres',
    start: async (files) => {
      const { cert, key } = files
      ca = files.ca
      server = await postgresServer('ssl=on', `ssl_cert_file=${cert}`, `ssl_key_file=${key}`)
      return server
    },
    urlOf: (...given) => Promise.resolve(urlOf(...given)),
    open,
    parameter: 'sslrootcert',
  })

  test('whose CA’s file vanishes goes on with the connections that there are, and says so where it needs one', async () => {
    const file = join(temporaryFolder(), 'ca.crt')
    copyFileSync(ca, file)
    const store = open(urlOf(server, file))
    cleanUp(() => store.close())
    const heard: unknown[] = []
    store.watch((notice) => heard.push(notice))
    await expect.poll(() => heard, { timeout: 20_000 }).toEqual([undefined])
    await store.load('key')
    const ours = `from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'token-thread' and ssl`
    expect(await postgresRun(server.url, `select pid ${ours}`)).toHaveLength(2)

    renameSync(file, `${file}.moved`)
    await Promise.all([1, 2, 3].map(async () => store.load('key')))
    await postgresRun(server.url, `select pg_terminate_backend(pid) ${ours}`)
    await expect
      .poll(() => Promise.resolve(store.load('key')).catch(String), { timeout: 20_000 })
      .toContain('the file that sslrootcert in the store’s url names can’t be read (ENOENT)')

    renameSync(`${file}.moved`, file)
    expect(await store.load('key')).toMatchObject({ epoch: 0 })
    await expect.poll(() => heard, { timeout: 20_000 }).toEqual([undefined, undefined])
  })
})
