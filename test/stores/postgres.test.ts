import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { storeContract } from '../../testing/store-contract.js'
import { postgresStore } from '../../workers/stores/sql/postgres.js'
import { describeWith } from '../support/servers.js'
import { postgresDatabase } from '../support/sql-databases.js'

const warn = (message: string): void => expect.unreachable(message)

describeWith('postgres', 'the contract on PostgreSQL', () => {
  for (const { name, run } of storeContract)
    test(name, async () => {
      const url = await postgresDatabase()
      await run(() => postgresStore(url, { clock: systemClock, warn }))
    })
})
