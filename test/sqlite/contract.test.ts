import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { storeContract } from '../../testing/store-contract.js'
import { sqliteStore } from '../../workers/stores/sql/sqlite.js'
import { trapTests } from '../support/sql-traps.js'
import { folder, run } from './files.js'

const open = (path: string) =>
  sqliteStore(path, { clock: systemClock, warn: (message) => expect.unreachable(message) })

describe('the contract on SQLite', () => {
  for (const { name, run: check } of storeContract)
    test(name, async () => {
      const path = join(folder(), 'store.db')
      await check(() => open(path))
    })
})

describe('the traps of SQLite', () => {
  trapTests({
    database: () => Promise.resolve(join(folder(), 'store.db')),
    open,
    run,
    dialect: 'sqlite',
  })
})
