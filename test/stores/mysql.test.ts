import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { storeContract } from '../../testing/store-contract.js'
import { mysqlStore } from '../../workers/stores/sql/mysql.js'
import { describeWith } from '../support/servers.js'
import { mysqlDatabase } from '../support/sql-databases.js'

const warn = (message: string): void => expect.unreachable(message)

describeWith('mysql', 'the contract on MySQL', () => {
  for (const { name, run } of storeContract)
    test(name, async () => {
      const url = await mysqlDatabase()
      await run(() => mysqlStore(url, { clock: systemClock, warn }))
    })
})
