import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { storeContract } from '../../testing/store-contract.js'
import { sqliteStore } from '../../workers/stores/sql/sqlite.js'
import { cleanUp } from '../support/cleanup.js'

describe('the contract on SQLite', () => {
  for (const { name, run } of storeContract)
    test(name, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'token-thread-'))
      cleanUp(() => rmSync(folder, { recursive: true }))
      const warn = (message: string): void => expect.unreachable(message)
      await run(() => sqliteStore(join(folder, 'store.db'), { clock: systemClock, warn }))
    })
})
