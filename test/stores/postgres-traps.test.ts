import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { Notice, Store } from '../../src/store.js'
import { postgresStore } from '../../workers/stores/sql/postgres.js'
import { migration } from '../../workers/stores/sql/schema.js'
import { StoreOperatorError } from '../../workers/stores/store-error.js'
import { cleanUp } from '../support/cleanup.js'
import { pgbouncer } from '../support/pgbouncer.js'
import { postgresServer } from '../support/postgres-server.js'
import { deadPort } from '../support/proxy.js'
import type { OwnServer } from '../support/server-process.js'
import { describeWith } from '../support/servers.js'
import { postgresDatabase, postgresRun } from '../support/sql-databases.js'
import { STARTING } from '../support/sql-outages.js'
import { trapTests } from '../support/sql-traps.js'

const LEASE = { duration: 60_000, known: 0 }

function open(
  url: string,
  warn: (message: string) => void = (message) => expect.unreachable(message),
): Store {
  return postgresStore(url, { clock: systemClock, warn })
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

describeWith('postgres', 'the traps of PostgreSQL', () => {
  trapTests({ database: () => postgresDatabase(), open, run: postgresRun, dialect: 'postgres' })

  test('only a higher generation is told of, a suspicion once', async () => {
    const url = await postgresDatabase()
    const heard: (Notice | undefined)[] = []
    const watching = opened(url)
    watching.watch((notice) => heard.push(notice))
    await expect.poll(() => heard, { timeout: 20_000 }).toEqual([undefined])
    const store = opened(url)
    const { stored } = await store.acquire('key', LEASE)
    const publish = async (generation: number, expiresAt: number) =>
      store.publish('key', stored.epoch, { accessToken: 't', issuedAt: 1, expiresAt, generation })
    await publish(stored.epoch, 2)
    await publish(stored.epoch, 3)
    await store.markSuspect('key', stored.epoch)
    await store.markSuspect('key', stored.epoch)
    await publish(stored.epoch + 1, 3)
    const notice = (generation: number, suspect: boolean): Notice => ({ key: 'key', generation, suspect })
    await expect
      .poll(() => heard, { timeout: 20_000 })
      .toEqual([
        undefined,
        notice(stored.epoch, false),
        notice(stored.epoch, true),
        notice(stored.epoch + 1, false),
      ])
  })

  test('what others send on the channel is passed over', async () => {
    const url = await postgresDatabase()
    const heard: (Notice | undefined)[] = []
    opened(url).watch((notice) => heard.push(notice))
    await expect.poll(() => heard, { timeout: 20_000 }).toEqual([undefined])
    for (const payload of ['', 'hello', '{', '{}', '{"key":1,"generation":2,"suspect":false}'])
      await postgresRun(url, `notify token_thread, '${payload}'`)
    const last: Notice = { key: 'k', generation: 2, suspect: true }
    await postgresRun(url, `notify token_thread, '${JSON.stringify(last)}'`)
    await expect.poll(() => heard, { timeout: 20_000 }).toEqual([undefined, last])
  })

  test('one that watches no more hears nothing, and its connection ends', async () => {
    const url = await postgresDatabase()
    const store = opened(url)
    const heard: unknown[] = []
    const unwatch = store.watch((notice) => heard.push(notice))
    await expect.poll(() => heard.length, { timeout: 20_000 }).toBe(1)
    const listening = `select pid from pg_stat_activity where datname = current_database() and query ilike 'listen%'`
    expect(await postgresRun(url, listening)).toHaveLength(1)
    unwatch()
    await expect.poll(() => postgresRun(url, listening), { timeout: 20_000 }).toEqual([])
    expect(heard).toHaveLength(1)
  })

  test('who may not create tables works where the table is there, and is told what to do where it is not', async () => {
    const url = await postgresDatabase()
    const role = `tt_role_${process.pid}`
    await postgresRun(url, `create role ${role} login`)
    cleanUp(() => postgresRun(url, `drop owned by ${role}; drop role ${role}`))
    await postgresRun(url, 'revoke create on schema public from public')
    const limited = new URL(url)
    limited.username = role
    const store = opened(limited.href)
    for (const mended of [`token-thread schema postgres`, 'grant SELECT, INSERT and UPDATE']) {
      const error = await failureOf(() => store.load('key'))
      expect(error).toBeInstanceOf(StoreOperatorError)
      expect(String(error)).toContain(mended)
    }
    await postgresRun(url, migration('postgres'))
    expect(await failureOf(() => store.load('key'))).toBeInstanceOf(StoreOperatorError)
    await postgresRun(url, `grant select, insert, update on token_thread to ${role}`)
    const { stored } = await store.acquire('key', LEASE)
    const token = { accessToken: 't', issuedAt: 1, expiresAt: 2, generation: stored.epoch }
    expect(await store.publish('key', stored.epoch, token)).toBe(true)
  })

  test('a database that is not there is an operator’s matter, a server that is away passes', async () => {
    const missing = new URL(await postgresDatabase())
    missing.pathname = '/tt_there_is_none'
    const error = await failureOf(() => opened(missing.href).load('key'))
    expect(error).toBeInstanceOf(StoreOperatorError)
    expect(String(error)).toContain('create the database')
    const away = await failureOf(() =>
      deadPort().then((port) => opened(`postgres://user:pa55word@127.0.0.1:${port}/db`).load('key')),
    )
    expect(away).toBeInstanceOf(Error)
    expect(away).not.toBeInstanceOf(StoreOperatorError)
    expect(String(away)).not.toContain('pa55word')
    expect(await failureOf(() => open('no url with pa55word'))).toMatchObject({
      name: 'StoreOperatorError',
      message: 'the store’s url is not a URL',
    })
  })

  test('a row that somebody locks fails in time, and no statement piles up behind it', async () => {
    const url = await postgresDatabase()
    const store = postgresStore(url, {
      clock: systemClock,
      warn: () => undefined,
      operationTimeout: 500,
    })
    cleanUp(() => store.close())
    const { stored } = await store.acquire('key', LEASE)
    const holder = new pg.Client({ connectionString: url })
    await holder.connect()
    cleanUp(() => holder.end())
    await holder.query('begin')
    await holder.query('select 1 from token_thread for update')
    const spent = { ...stored.spent, calls: 1 }
    for (let time = 0; time < 4; time += 1)
      await expect(store.spend('key', stored.epoch, spent)).rejects.toThrow(/did not answer|timeout/)
    const waiting = `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
    await expect.poll(() => postgresRun(url, waiting), { timeout: 10_000 }).toEqual([])
    await holder.query('commit')
    await expect.poll(() => failureOf(() => store.spend('key', stored.epoch, spent))).toBe(true)
  })
})

describeWith('postgres-program', 'a PostgreSQL with other defaults', () => {
  let server: OwnServer
  beforeAll(async () => {
    server = await postgresServer('default_transaction_isolation=serializable', 'timezone=Pacific/Kiritimati')
  }, STARTING)
  afterAll(() => server.remove())

  trapTests({
    database: () => postgresDatabase(server.url),
    open,
    run: postgresRun,
    dialect: 'postgres',
  })

  test('a wrong password is an operator’s matter, and is not quoted', async () => {
    await postgresRun(server.url, `create role locked login password 'right'`)
    const file = join(server.folder, 'data', 'pg_hba.conf')
    writeFileSync(file, `host all locked 127.0.0.1/32 scram-sha-256\n${readFileSync(file, 'utf8')}`)
    await postgresRun(server.url, 'select pg_reload_conf()')
    const url = new URL(server.url)
    url.username = 'locked'
    url.password = 'pa55 word'
    const store = opened(url.href)
    await expect.poll(() => failureOf(() => store.load('key'))).toBeInstanceOf(StoreOperatorError)
    const error = await failureOf(() => store.load('key'))
    expect(String(error)).toMatch(/password authentication failed.*see to user and password/)
    expect(String(error)).not.toMatch(/pa55/)
  })
})

describeWith(['postgres', 'pgbouncer-program'], 'behind PgBouncer', () => {
  for (const mode of ['transaction', 'session'] as const)
    test(
      `in ${mode} mode it works, and knows whether notices come through`,
      { timeout: 60_000 },
      async () => {
        const pooler = await pgbouncer(mode)
        cleanUp(() => pooler.remove())
        const url = new URL(pooler.url)
        url.pathname = new URL(await postgresDatabase()).pathname
        const warned: string[] = []
        const heard: unknown[] = []
        const watching = postgresStore(url.href, {
          clock: systemClock,
          warn: (message) => warned.push(message),
          operationTimeout: 2_000,
        })
        cleanUp(() => watching.close())
        watching.watch((notice) => heard.push(notice))
        const store = opened(url.href)
        // PgBouncer lets nobody in who asks for a statement timeout at the start: the first operation works all the same.
        expect(await store.load('key')).toMatchObject({ epoch: 0 })
        expect(await store.acquire('key', LEASE)).toMatchObject({ granted: true })
        if (mode === 'session') {
          await expect.poll(() => heard, { timeout: 20_000 }).toEqual([undefined])
          expect(watching.pollEvery).toBe(30_000)
          expect(warned).toEqual([])
        } else {
          await expect.poll(() => warned, { timeout: 20_000 }).toEqual([expect.stringContaining('LISTEN')])
          expect(watching.pollEvery).toBe(5_000)
          expect(heard).toEqual([])
        }
      },
    )

  for (const [what, place, mend] of [
    ['a wrong password', 'me:pa55word@/postgres', 'see to user and password'],
    ['a user whom nobody knows', 'you:pa55word@/postgres', 'see to user and password'],
    ['no password', 'me@/postgres', 'see to user and password'],
    ['a database that it does not know', 'me:right@/none', 'create the database'],
  ] as const)
    test(`${what} is an operator’s matter, as without a pooler`, async () => {
      const pooler = await pgbouncer('transaction', { me: 'right' })
      cleanUp(() => pooler.remove())
      const url = `postgres://${place.replace('@', `@127.0.0.1:${pooler.port}`)}`
      const error = await failureOf(() => opened(url).load('key'))
      expect(error).toBeInstanceOf(StoreOperatorError)
      expect(String(error)).toContain(mend)
      expect(String(error)).not.toContain('pa55word')
    })

  test('a database that the server lacks is an operator’s matter, too', async () => {
    const pooler = await pgbouncer('transaction')
    cleanUp(() => pooler.remove())
    const url = `postgres://postgres@127.0.0.1:${pooler.port}/tt_there_is_none`
    const error = await failureOf(() => opened(url).load('key'))
    expect(error).toBeInstanceOf(StoreOperatorError)
    expect(String(error)).toContain('create the database')
  })
})
