import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { Notice } from '../../src/store.js'
import { postgresStore } from '../../workers/stores/sql/postgres.js'
import { cleanUp } from '../support/cleanup.js'
import { postgresServer } from '../support/postgres-server.js'
import type { OwnServer } from '../support/server-process.js'
import { describeWith } from '../support/servers.js'
import { postgresRun } from '../support/sql-databases.js'
import { OPERATION_TIMEOUT, outageTests, STARTING } from '../support/sql-outages.js'

const open = (url: string, operationTimeout?: number) =>
  postgresStore(url, {
    clock: systemClock,
    warn: () => undefined,
    ...(operationTimeout && { operationTimeout }),
  })

describeWith('postgres-program', 'a PostgreSQL that comes and goes', () => {
  outageTests({
    start: postgresServer,
    open: (url) => open(url, OPERATION_TIMEOUT),
    dropTable: (url) => postgresRun(url, 'drop table token_thread'),
  })
})

describeWith('postgres-program', 'who watches a PostgreSQL that comes and goes', () => {
  let server: OwnServer
  beforeAll(async () => {
    server = await postgresServer()
  }, STARTING)
  afterAll(() => server.remove())

  for (const end of ['stop', 'kill'] as const)
    test(`hears that notices may be lost, and hears again, after a ${end} and a start`, async () => {
      const store = open(server.url)
      cleanUp(() => store.close())
      const heard: (Notice | undefined)[] = []
      store.watch((notice) => heard.push(notice))
      await expect.poll(() => heard, { timeout: 20_000 }).toEqual([undefined])
      expect(store.pollEvery).toBe(30_000)
      await server[end]()
      await expect.poll(() => store.pollEvery, { timeout: 20_000 }).toBe(5_000)
      await server.start()
      await expect.poll(() => heard, { timeout: 20_000 }).toEqual([undefined, undefined])
      const key = randomUUID()
      await publishOne(server.url, key)
      await expect.poll(() => heard.at(-1)?.key, { timeout: 20_000 }).toBe(key)
    })
})

async function publishOne(url: string, key: string): Promise<void> {
  const store = open(url)
  cleanUp(() => store.close())
  const { stored } = await store.acquire(key, { duration: 60_000, known: 0 })
  const generation = stored.epoch
  const token = { accessToken: 'token', issuedAt: 1, expiresAt: 2, generation }
  expect(await store.publish(key, generation, token)).toBe(true)
}
