import { randomUUID } from 'node:crypto'
import { lookup } from 'node:dns'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StoreOptions } from '../../src/store-options.js'
import type { Simulator } from '../../simulator/index.js'
import { systemClock } from '../../src/clock.js'
import { readStore } from '../../src/store-config.js'
import { accountKey } from '../../workers/providers/account-key.js'
import { openStore } from '../../workers/stores/open.js'
import { redisServer } from './redis-server.js'
import { MYSQL_URL, POSTGRES_URL, type Server } from './servers.js'
import { APP_ID, APP_SECRET } from './simulated.js'
import { mysqlRun, postgresRun } from './sql-databases.js'

/** A store of each kind that processes can share, empty and a test's own. */
export interface SharedStore {
  readonly options: Exclude<StoreOptions, { kind: 'memory' | 'module' }>
  readonly remove: () => Promise<unknown>
}

export type SharedKind = 'file' | 'sqlite' | 'redis' | 'postgres' | 'mysql'

/** What a kind needs on this machine. */
export const NEEDS: Readonly<Record<SharedKind, readonly Server[]>> = {
  file: [],
  sqlite: [],
  redis: ['redis-program'],
  postgres: ['postgres'],
  mysql: ['mysql'],
}

export async function sharedStore(kind: SharedKind): Promise<SharedStore> {
  switch (kind) {
    case 'file':
    case 'sqlite': {
      const folder = mkdtempSync(join(tmpdir(), 'token-thread-fleet-'))
      const remove = (): Promise<void> => rm(folder, { recursive: true, force: true })
      return { options: { kind, path: join(folder, 'made', 'tokens.json') }, remove }
    }
    case 'redis': {
      const server = await redisServer()
      return { options: { kind, url: server.url }, remove: () => server.remove() }
    }
    case 'postgres': {
      const name = nameOfItsOwn()
      await postgresRun(POSTGRES_URL, `create database ${name}`)
      const remove = (): Promise<unknown> => postgresRun(POSTGRES_URL, `drop database ${name} with (force)`)
      return { options: { kind, url: withDatabase(POSTGRES_URL, name) }, remove }
    }
    case 'mysql': {
      const name = nameOfItsOwn()
      await mysqlRun(MYSQL_URL, `create database ${name}`)
      const remove = (): Promise<unknown> => mysqlRun(MYSQL_URL, `drop database ${name}`)
      return { options: { kind, url: withDatabase(MYSQL_URL, name) }, remove }
    }
  }
}

function nameOfItsOwn(): string {
  return `tt_${randomUUID().replaceAll('-', '')}`
}

function withDatabase(server: string, name: string): string {
  const url = new URL(server)
  url.pathname = `/${name}`
  return url.href
}

/** With so long a `refreshAhead` what `storeInItsMargin` stores is due at once, in whichever process. */
export const DUE_AT_ONCE = { refreshAhead: 150_000 }

/** Puts a new token of the classic endpoint into the store as if one minute were left of its 400 s. */
export async function storeInItsMargin(sim: Simulator, { options }: SharedStore): Promise<string> {
  const query = new URLSearchParams({ grant_type: 'client_credential', appid: APP_ID, secret: APP_SECRET })
  await fetch(`${sim.url}/cgi-bin/token?${query.toString()}`)
  const accessToken = sim.current(APP_ID).classic?.accessToken ?? ''
  const config = readStore(options)
  if (config.kind === 'memory') throw new Error('that one is not shared')
  const store = await openStore(config, { clock: systemClock, lookup, warn: () => undefined })
  try {
    const key = accountKey('wechat', 'classic', APP_ID)
    const { granted, stored } = await store.acquire(key, { duration: 10_000, known: 0 })
    const { now, epoch } = stored
    const token = { accessToken, issuedAt: now - 340_000, expiresAt: now + 60_000, generation: epoch }
    if (!granted || !(await store.publish(key, epoch, token))) throw new Error('the store is in use')
    await store.release(key, epoch)
  } finally {
    await store.close()
  }
  return accessToken
}
