import { createConnection } from 'mysql2/promise'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { Store } from '../../src/store.js'
import { mysqlStore } from '../../workers/stores/sql/mysql.js'
import { migration } from '../../workers/stores/sql/schema.js'
import { StoreOperatorError } from '../../workers/stores/store-error.js'
import { cleanUp } from '../support/cleanup.js'
import { mariadbServer } from '../support/mariadb-server.js'
import { deadPort } from '../support/proxy.js'
import type { OwnServer } from '../support/server-process.js'
import { describeWith } from '../support/servers.js'
import { mysqlDatabase, mysqlRun } from '../support/sql-databases.js'
import { STARTING } from '../support/sql-outages.js'
import { trapTests } from '../support/sql-traps.js'

const LEASE = { duration: 60_000, known: 0 }

function open(url: string, operationTimeout = 5_000): Store {
  return mysqlStore(url, {
    clock: systemClock,
    warn: (message) => expect.unreachable(message),
    operationTimeout,
  })
}

function opened(...given: Parameters<typeof open>): Store {
  const store = open(...given)
  cleanUp(() => store.close())
  return store
}

async function failureOf(operation: () => unknown): Promise<unknown> {
  try {
    return await operation()
  } catch (error) {
    return error
  }
}

describeWith('mysql', 'the traps of MySQL', () => {
  trapTests({ database: () => mysqlDatabase(), open, run: mysqlRun, dialect: 'mysql' })

  test('keys differ by case, accents and trailing spaces', async () => {
    const store = opened(await mysqlDatabase())
    const keys = ['key', 'KEY', 'kéy', 'key ', ' key', 'key\0', 'k\'e"y\\', '钥匙', '😀']
    for (const key of keys) expect(await store.acquire(key, LEASE)).toMatchObject({ granted: true })
  })

  test('a key that is too long is an error, not a shorter key', async () => {
    const store = opened(await mysqlDatabase())
    expect(await store.acquire('k'.repeat(1_024), LEASE)).toMatchObject({ granted: true })
    await expect(store.acquire('k'.repeat(1_025), LEASE)).rejects.toThrow('Data too long')
    await expect(store.acquire('k'.repeat(1_025), LEASE)).rejects.toThrow('Data too long')
  })

  test('a user’s rights: works where the table is there, and is told what to do where it is not', async () => {
    const url = await mysqlDatabase()
    const name = new URL(url).pathname.slice(1)
    const user = `tt_user_${process.pid}`
    await mysqlRun(
      url,
      `create user ${user}@'%' identified by 'right one'; grant select on ${name}.* to ${user}@'%'`,
    )
    cleanUp(() => mysqlRun(url, `drop user ${user}@'%'`))
    const limited = new URL(url)
    limited.username = user
    limited.password = 'right one'
    const store = opened(limited.href)
    const error = await failureOf(() => store.load('key'))
    expect(error).toBeInstanceOf(StoreOperatorError)
    expect(String(error)).toContain('token-thread schema mysql')
    await mysqlRun(url, migration('mysql'))
    await mysqlRun(url, `grant select, insert, update on ${name}.token_thread to ${user}@'%'`)
    expect(await store.acquire('key', LEASE)).toMatchObject({ granted: true })

    limited.password = 'pa55 word'
    const refused = await failureOf(() => opened(limited.href).load('key'))
    expect(refused).toBeInstanceOf(StoreOperatorError)
    expect(String(refused)).toContain('see to user and password')
    expect(String(refused)).not.toContain('pa55')
  })

  test('a database that is not there, or not named, is an operator’s matter; a server that is away passes', async () => {
    for (const path of ['/tt_there_is_none', '/']) {
      const missing = new URL(await mysqlDatabase())
      missing.pathname = path
      const error = await failureOf(() => opened(missing.href).load('key'))
      expect(error).toBeInstanceOf(StoreOperatorError)
      expect(String(error)).toContain('create the database')
    }
    const port = await deadPort()
    const away = await failureOf(() => opened(`mysql://user:pa55word@127.0.0.1:${port}/db`).load('key'))
    expect(away).toBeInstanceOf(Error)
    expect(away).not.toBeInstanceOf(StoreOperatorError)
    expect(String(away)).not.toContain('pa55word')
  })

  test('a row that somebody locks fails in time, and no statement piles up behind it', async () => {
    const url = await mysqlDatabase()
    const store = opened(url, 900)
    const { stored } = await store.acquire('key', LEASE)
    const holder = await createConnection({ uri: url })
    cleanUp(() => holder.end())
    await holder.query('begin')
    await holder.query('select 1 from token_thread for update')
    const spent = { ...stored.spent, calls: 1 }
    for (let time = 0; time < 4; time += 1)
      await expect(store.spend('key', stored.epoch, spent)).rejects.toThrow(
        /did not answer|Lock wait timeout/,
      )
    const waiting = `select id from information_schema.processlist where db = database() and info like 'update%'`
    await expect.poll(() => mysqlRun(url, waiting), { timeout: 10_000 }).toEqual([])
    await holder.query('commit')
    await expect.poll(() => failureOf(() => store.spend('key', stored.epoch, spent))).toBe(true)
  })
})

describeWith('mysql-program', 'a MariaDB with other defaults', () => {
  let server: OwnServer
  beforeAll(async () => {
    server = await mariadbServer(
      '--autocommit=0',
      '--transaction-isolation=REPEATABLE-READ',
      '--default-time-zone=+13:00',
      '--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES',
      '--character-set-server=latin1',
    )
  }, STARTING)
  afterAll(() => server.remove())

  trapTests({ database: () => mysqlDatabase(server.url), open, run: mysqlRun, dialect: 'mysql' })

  test('a token keeps its letters where the server’s alphabet is another', async () => {
    const store = opened(await mysqlDatabase(server.url))
    const { stored } = await store.acquire('key', LEASE)
    const token = { accessToken: '密钥 😀 \\ \' "', issuedAt: 1, expiresAt: 2, generation: stored.epoch }
    expect(await store.publish('key', stored.epoch, token)).toBe(true)
    expect((await store.load('key')).token).toEqual({ ...token, epoch: stored.epoch })
  })
})
