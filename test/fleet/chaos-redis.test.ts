import { chaosTest } from '../support/fleet-chaos.js'
import { serverVictim } from '../support/fleet-faults.js'
import { redisServer } from '../support/redis-server.js'
import { describeWith } from '../support/servers.js'

describeWith('redis-program', 'processes on a Redis that fails as they do', () => {
  for (const endpoint of ['classic', 'stable'] as const)
    chaosTest(endpoint, async () => serverVictim('redis', await redisServer()))
})
