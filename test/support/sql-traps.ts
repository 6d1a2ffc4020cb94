import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import type { Store } from '../../src/store.js'
import { StoreOperatorError } from '../../workers/stores/store-error.js'
import { cleanUp } from './cleanup.js'

interface Given {
  /** An empty database. */
  readonly database: () => Promise<string>
  readonly open: (url: string) => Store
  readonly run: (url: string, sql: string) => unknown
  /** `token-thread schema <name>` */
  readonly dialect: string
}

const LEASE = { duration: 60_000, known: 0 }

/** In which the databases differ, and the stores must not. */
export function trapTests({ database, open, run, dialect }: Given): void {
  const opened = (url: string): Store => {
    const store = open(url)
    cleanUp(() => store.close())
    return store
  }

  test('many that start at once on an empty database all work', async () => {
    for (let round = 0; round < 3; round += 1) {
      const url = await database()
      const stores = Array.from({ length: 8 }, () => opened(url))
      const acquired = await Promise.all(stores.map(async (store) => store.acquire('key', LEASE)))
      expect(acquired.filter(({ granted }) => granted)).toHaveLength(1)
    }
  })

  test('of those who hammer on one record no count is lost', async () => {
    const url = await database()
    const stores = Array.from({ length: 8 }, () => opened(url))
    const grants = await Promise.all(
      stores.map(async (store) => {
        let granted = 0
        for (let attempt = 0; attempt < 40; attempt += 1) {
          const acquired = await store.acquire('key', LEASE)
          if (!acquired.granted) continue
          granted += 1
          const { epoch, spent } = acquired.stored
          expect(await store.spend('key', epoch, { ...spent, calls: spent.calls + 1 })).toBe(true)
          expect(await store.release('key', epoch)).toBe(true)
        }
        return granted
      }),
    )
    const sum = grants.reduce((a, b) => a + b)
    expect(sum).toBeGreaterThan(0)
    expect((await opened(url).load('key')).spent.calls).toBe(sum)
  })

  test('numbers are exact up to 2^53', async () => {
    const store = opened(await database())
    const known = Number.MAX_SAFE_INTEGER - 2
    const { stored } = await store.acquire('key', { duration: 60_000, known })
    expect(stored.epoch).toBe(known + 1)
    const token = { accessToken: 't', issuedAt: known - 7, expiresAt: known - 5, generation: stored.epoch }
    expect(await store.publish('key', stored.epoch, token)).toBe(true)
    await store.markSuspect('key', stored.epoch)
    const spent = { dayEnds: known, calls: known - 1, forced: 0, lastCall: known - 3, lastForced: 0 }
    expect(await store.spend('key', stored.epoch, spent)).toBe(true)
    expect(await store.release('key', stored.epoch, { at: known, failures: 1 })).toBe(true)
    expect(await store.load('key')).toMatchObject({
      epoch: known + 1,
      token: { ...token, epoch: known + 1 },
      suspectSince: known + 1,
      spent,
      retry: { at: known, failures: 1 },
    })
  })

  test('a write that changes nothing is done all the same', async () => {
    const store = opened(await database())
    const { stored } = await store.acquire('key', LEASE)
    const { epoch, spent } = stored
    const token = { accessToken: 't', issuedAt: 1, expiresAt: 2, generation: epoch }
    for (let time = 0; time < 2; time += 1) {
      expect(await store.spend('key', epoch, spent)).toBe(true)
      expect(await store.publish('key', epoch, token)).toBe(true)
      expect(await store.release('key', epoch)).toBe(true)
    }
  })

  test('what is read is never from a snapshot of before', async () => {
    const url = await database()
    const [reader, writer] = [opened(url), opened(url)]
    const { stored } = await writer.acquire('key', LEASE)
    for (let calls = 1; calls <= 5; calls += 1) {
      // More than there are connections: each of them has read.
      await Promise.all([1, 2, 3, 4].map(async () => reader.load('key')))
      await writer.spend('key', stored.epoch, { ...stored.spent, calls })
      const seen = await Promise.all([1, 2, 3, 4].map(async () => reader.load('key')))
      expect(seen.map(({ spent }) => spent.calls)).toEqual([calls, calls, calls, calls])
    }
  })

  test('a lease that ends far later than any would is none: the clock was stepped back', async () => {
    const url = await database()
    const store = opened(url)
    const { stored } = await store.acquire('key', LEASE)
    const far = stored.now + 11 * LEASE.duration
    await run(url, `update token_thread set lease_ends = ${far}`)
    const again = await store.acquire('key', LEASE)
    expect(again.granted).toBe(true)
    expect(again.stored.epoch).toBeGreaterThan(stored.epoch)
    expect((await store.acquire('key', LEASE)).granted).toBe(false)
  })

  test('the clock is the real one', async () => {
    const store = opened(await database())
    const { now } = await store.load('key')
    expect(Math.abs(now - Date.now())).toBeLessThan(60_000)
    const { stored } = await store.acquire('key', LEASE)
    expect(Math.abs(stored.now - Date.now())).toBeLessThan(60_000)
    expect(Math.abs((await store.load('key')).now - Date.now())).toBeLessThan(60_000)
  })

  for (const [what, columns] of [
    ['another program’s table of that name', 'id integer'],
    ['a table that lacks a column', 'account_key varchar(100) primary key, epoch bigint'],
  ] as const)
    test(`${what} is left alone, and named with what mends it`, async () => {
      const url = await database()
      await run(url, `create table token_thread (${columns})`)
      const store = opened(url)
      for (const operation of [() => store.load('key'), () => store.acquire('key', LEASE)]) {
        const error: unknown = await Promise.resolve(operation()).catch((thrown: unknown) => thrown)
        expect(error).toBeInstanceOf(StoreOperatorError)
        expect(String(error)).toContain(`token-thread schema ${dialect}`)
      }
      await run(url, 'drop table token_thread')
      expect(await store.acquire('key', LEASE)).toMatchObject({ granted: true })
    })

  test('a row that no store wrote is an error and no token', async () => {
    const url = await database()
    const store = opened(url)
    const key = randomUUID()
    await store.acquire(key, LEASE)
    await run(url, 'update token_thread set generation = 5')
    await expect(store.load(key)).rejects.toThrow('token_thread.')
  })
}
