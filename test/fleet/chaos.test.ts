import { describe } from 'vitest'
import { chaosTest } from '../support/fleet-chaos.js'
import { fileVictim, serverVictim } from '../support/fleet-faults.js'
import { postgresServer } from '../support/postgres-server.js'
import { describeWith } from '../support/servers.js'

describeWith('postgres-program', 'processes on a PostgreSQL that fails as they do', () => {
  chaosTest('classic', async () => serverVictim('postgres', await postgresServer()))
})

describe('processes on a file that are stopped and killed', () => {
  chaosTest('classic', () => fileVictim('file'))
})
