import { cleanUp } from '../support/cleanup.js'
import { chaosTest } from '../support/fleet-chaos.js'
import { faultsOf, type Victim } from '../support/fleet-faults.js'
import { redisServer } from '../support/redis-server.js'
import { describeWith } from '../support/servers.js'
import { tcpProxy } from '../support/tcp-proxy.js'

describeWith('redis-program', 'processes on a Redis that fails as they do', () => {
  chaosTest('classic', redis)
  chaosTest('stable', redis)
})

async function redis(): Promise<Victim> {
  const server = await redisServer()
  cleanUp(() => server.remove())
  const proxy = await tcpProxy(server.port)
  cleanUp(() => proxy.remove())
  return {
    store: { kind: 'redis', url: `redis://127.0.0.1:${proxy.port}` },
    faults: faultsOf(server, proxy),
  }
}
