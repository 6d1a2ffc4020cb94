import { redisServer, type RedisServer } from './redis-server.js'
import { freePort } from './server-process.js'
import { until } from './until.js'

export interface RedisCluster {
  readonly urls: readonly string[]
  readonly nodes: readonly RedisServer[]
  readonly remove: () => Promise<void>
}

const SLOTS = 16_384

/** Three masters, a third of the slots each. */
export async function redisCluster(config: readonly string[] = []): Promise<RedisCluster> {
  const nodes: RedisServer[] = []
  const remove = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.remove()))
  }
  try {
    const buses: number[] = []
    for (let i = 0; i < 3; i++) {
      const bus = await freePort()
      buses.push(bus)
      const own = ['cluster-enabled yes', `cluster-port ${bus}`, 'cluster-node-timeout 2000']
      nodes.push(await redisServer({ config: [...own, ...config] }))
    }
    for (const [i, node] of nodes.entries()) {
      const first = Math.floor((i * SLOTS) / 3)
      const last = Math.floor(((i + 1) * SLOTS) / 3) - 1
      await node.cli('CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1))
      await node.cli('CLUSTER', 'ADDSLOTSRANGE', String(first), String(last))
      await nodes[0]?.cli('CLUSTER', 'MEET', '127.0.0.1', String(node.port), String(buses[i]))
    }
    await until(
      async () =>
        (await Promise.all(nodes.map((node) => node.cli('CLUSTER', 'INFO')))).every(
          (info) => info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:3'),
        ),
      'the cluster did not come together',
    )
    return { urls: nodes.map(({ url }) => url), nodes, remove }
  } catch (error) {
    await remove()
    throw error
  }
}
