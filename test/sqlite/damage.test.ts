import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { Store } from '../../src/store.js'
import { sqliteStore } from '../../workers/stores/sql/sqlite.js'
import { loadSqlite } from '../../workers/stores/sql/sqlite-database.js'
import { migration } from '../../workers/stores/sql/schema.js'
import { StoreOperatorError } from '../../workers/stores/store-error.js'
import { cleanUp } from '../support/cleanup.js'
import { folder, run } from './files.js'

const LEASE = { duration: 60_000, known: 0 }

function opened(path: string, operationTimeout = 5_000): { store: Store; warned: string[] } {
  const warned: string[] = []
  const warn = (message: string): void => void warned.push(message)
  const store = sqliteStore(path, { clock: systemClock, warn, operationTimeout })
  cleanUp(() => store.close())
  return { store, warned }
}

async function published(store: Store, key = 'key'): Promise<number> {
  const { stored, granted } = await store.acquire(key, LEASE)
  expect(granted).toBe(true)
  const token = { accessToken: 'x'.repeat(20_000), issuedAt: 1, expiresAt: 2, generation: stored.epoch }
  expect(await store.publish(key, stored.epoch, token)).toBe(true)
  expect(await store.release(key, stored.epoch)).toBe(true)
  return stored.epoch
}

/** Bytes of the files that were set aside, by what their name ends in. */
function asideOf(path: string): Record<string, Buffer> {
  const prefix = `${path}.damaged-`
  const names = readdirSync(join(path, '..')).map((name) => join(path, '..', name))
  return Object.fromEntries(
    names
      .filter((name) => name.startsWith(prefix))
      .map((name) => [name.replace(/.*\d/, ''), readFileSync(name)]),
  )
}

describe('a file of SQLite', () => {
  test('is for its owner alone, with its log, in a folder that is made; whatever umask says', async () => {
    const before = process.umask(0)
    cleanUp(() => process.umask(before))
    const path = join(folder(), 'a', 'b', 'store.db')
    await published(opened(path).store)
    for (const suffix of ['', '-wal', '-shm']) expect(statSync(path + suffix).mode & 0o777).toBe(0o600)
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700)
  })

  test('lives in an application’s own database, too', async () => {
    const path = join(folder(), 'app.db')
    run(path, 'create table users (name text)')
    const { store, warned } = opened(path)
    await published(store)
    run(path, `insert into users values ('me')`)
    expect(warned).toEqual([])
  })

  test('works with the table that a migration made', async () => {
    const path = join(folder(), 'store.db')
    for (let time = 0; time < 2; time += 1) run(path, migration('sqlite'))
    await published(opened(path).store)
  })

  for (const [what, bytes] of [
    ['text', Buffer.from('not a database\n'.repeat(1_000))],
    ['a few bytes', Buffer.from('hello')],
    ['zeros', Buffer.alloc(8_192)],
  ] as const)
    test(`that is ${what} is set aside with its bytes, and the store goes on empty`, async () => {
      const path = join(folder(), 'store.db')
      writeFileSync(path, bytes)
      const { store, warned } = opened(path)
      await published(store)
      expect(asideOf(path)).toEqual({ '': bytes })
      expect(warned).toEqual([expect.stringContaining(`${path}.damaged-`)])
      await published(store)
      expect(warned).toHaveLength(1)
    })

  for (const [what, damage] of [
    ['cut off', (path: string) => truncateSync(path, 4_096 + 1_000)],
    [
      'overwritten in the middle',
      (path: string) => {
        const bytes = readFileSync(path)
        writeFileSync(path, bytes.fill(0xab, 4_096, 8_192))
      },
    ],
  ] as const)
    test(`that was ${what} is set aside with its bytes, and the store goes on empty`, async () => {
      const path = join(folder(), 'store.db')
      const first = opened(path)
      for (const key of ['a', 'b', 'c']) await published(first.store, key)
      await first.store.close()
      damage(path)
      const bytes = readFileSync(path)
      const { store, warned } = opened(path)
      expect((await store.load('a')).epoch).toBe(0)
      await published(store, 'a')
      expect(asideOf(path)['']).toEqual(bytes)
      expect(warned).toHaveLength(1)
    })

  test('that is damaged while it is open goes with its log, and another process goes on in the new one', async () => {
    const path = join(folder(), 'store.db')
    const [one, other] = [opened(path), opened(path)]
    await published(one.store)
    await published(other.store)
    run(path, 'pragma wal_checkpoint(truncate)')
    writeFileSync(path, Buffer.alloc(statSync(path).size, 0xab), { flag: 'r+' })
    const epoch = await published(one.store)
    expect((await other.store.load('key')).epoch).toBe(epoch)
    expect([...one.warned, ...other.warned]).toHaveLength(1)
    expect(Object.keys(asideOf(path))).toContain('')
  })

  test('that another process is just setting aside is left to it, and what it makes is used', async () => {
    const path = join(folder(), 'store.db')
    writeFileSync(path, 'no database')
    const { store, warned } = opened(path)
    const aside = `${path}.damaged-${statSync(path).ino}`
    linkSync(path, aside)
    // It tries at once, and waits: the other one may be about to take the name away, from whatever file has it then.
    const loading = store.load('key')
    expect(readFileSync(path, 'utf8')).toBe('no database')
    unlinkSync(path)
    const epoch = await published(opened(path).store)
    expect((await loading).epoch).toBe(epoch)
    expect(warned).toEqual([])
    expect(asideOf(path)).toEqual({ '': Buffer.from('no database') })
  })

  test('that another process died over while it set it aside is set aside all the same', async () => {
    const path = join(folder(), 'store.db')
    writeFileSync(path, 'no database')
    linkSync(path, `${path}.damaged-${statSync(path).ino}`)
    const warned: string[] = []
    const store = sqliteStore(path, {
      clock: { ...systemClock, now: () => Date.now() + 60_000 },
      warn: (message) => warned.push(message),
    })
    cleanUp(() => store.close())
    await published(store)
    expect(warned).toHaveLength(1)
    expect(asideOf(path)).toEqual({ '': Buffer.from('no database') })
  })

  test('that was taken away is made anew, and nothing is written where nobody reads it', async () => {
    const path = join(folder(), 'store.db')
    const { store } = opened(path)
    await published(store)
    for (const suffix of ['', '-wal', '-shm']) renameSync(path + suffix, `${path}.moved${suffix}`)
    const epoch = await published(store)
    expect((await opened(path).store.load('key')).epoch).toBe(epoch)
  })

  test('that another program locks fails in time, and works when it is free', async () => {
    const path = join(folder(), 'store.db')
    const { store } = opened(path, 500)
    await published(store)
    const holder = new (loadSqlite().DatabaseSync)(path)
    cleanUp(() => holder.close())
    holder.exec('begin immediate')
    await expect(store.acquire('key', LEASE)).rejects.toThrow('locked')
    const waiting = store.acquire('key', LEASE)
    holder.exec('commit')
    expect(await waiting).toMatchObject({ granted: true })
  })

  test('that this process may not use is an operator’s matter', async () => {
    const parent = folder()
    writeFileSync(join(parent, 'file'), '')
    mkdirSync(join(parent, 'folder'))
    for (const path of [join(parent, 'file', 'store.db'), join(parent, 'folder')]) {
      const error: unknown = await Promise.resolve(opened(path).store.load('key')).catch((e: unknown) => e)
      expect(error).toBeInstanceOf(StoreOperatorError)
      expect(String(error)).toContain('right to write')
    }
  })

  test('leaves nothing behind but itself when it is closed', async () => {
    const path = join(folder(), 'store.db')
    const { store } = opened(path)
    await published(store)
    await store.close()
    expect(readdirSync(join(path, '..'))).toEqual(['store.db'])
    await expect(store.load('key')).rejects.toThrow('closed')
  })
})
