import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { mysqlStore } from '../../workers/stores/sql/mysql.js'
import { postgresStore } from '../../workers/stores/sql/postgres.js'
import { migration } from '../../workers/stores/sql/schema.js'
import { cleanUp } from '../support/cleanup.js'
import { describeWith } from '../support/servers.js'
import { mysqlDatabase, mysqlRun, postgresDatabase, postgresRun } from '../support/sql-databases.js'

const ROOT = new URL('../../', import.meta.url)
const DIALECTS = ['postgres', 'mysql', 'sqlite'] as const
const context = { clock: systemClock, warn: (message: string) => expect.unreachable(message) }

describe('the printed schema', () => {
  for (const dialect of DIALECTS)
    test(`of ${dialect} is the file in schema/, and what a store creates`, async () => {
      const { stdout, stderr } = await cli('schema', dialect)
      expect(stdout).toBe(readFileSync(new URL(`schema/${dialect}.sql`, ROOT), 'utf8'))
      expect(stdout).toBe(migration(dialect))
      expect(stderr).toBe('')
    })

  test('needs the name of a database, and tells which there are', async () => {
    for (const args of [[], ['oracle'], ['postgres', 'mysql'], ['toString']])
      await expect(cli('schema', ...args)).rejects.toMatchObject({
        code: 2,
        stderr: 'token-thread: say which database: token-thread schema <postgres|mysql|sqlite>\n',
      })
  })

  test('has a help, and stands in the list of commands', async () => {
    expect((await cli('schema', '--help')).stdout).toContain('token-thread schema postgres | psql')
    expect((await cli('--help')).stdout).toContain('schema')
  })
})

describeWith('postgres', 'the printed schema on PostgreSQL', () => {
  test('can be run twice, and is the table that a store creates', async () => {
    const [printed, created] = [await postgresDatabase(), await postgresDatabase()]
    for (let time = 0; time < 2; time += 1) await postgresRun(printed, migration('postgres'))
    await opened(postgresStore(created, context)).load('key')
    const columns = `select column_name, data_type, is_nullable, column_default, collation_name
      from information_schema.columns where table_name = 'token_thread' order by ordinal_position`
    expect(await postgresRun(printed, columns)).toEqual(await postgresRun(created, columns))
    const store = opened(postgresStore(printed, context))
    expect(await store.acquire('key', { duration: 1_000, known: 0 })).toMatchObject({ granted: true })
  })
})

describeWith('mysql', 'the printed schema on MySQL', () => {
  test('can be run twice, and is the table that a store creates', async () => {
    const [printed, created] = [await mysqlDatabase(), await mysqlDatabase()]
    for (let time = 0; time < 2; time += 1) await mysqlRun(printed, migration('mysql'))
    await opened(mysqlStore(created, context)).load('key')
    const show = 'show create table token_thread'
    expect(await mysqlRun(printed, show)).toEqual(await mysqlRun(created, show))
    const store = opened(mysqlStore(printed, context))
    expect(await store.acquire('key', { duration: 1_000, known: 0 })).toMatchObject({ granted: true })
  })
})

function opened<T extends { close: () => unknown }>(store: T): T {
  cleanUp(() => store.close())
  return store
}

function cli(...args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  const tsx = import.meta.resolve('tsx')
  return promisify(execFile)(process.execPath, ['--import', tsx, 'cli/token-thread.ts', ...args], {
    cwd: ROOT,
  })
}
