import { redisServer, type RedisServer, type RedisServerOptions } from './redis-server.js'
import { until } from './until.js'

export interface RedisWithSentinels {
  /** What a store is given: the Sentinels' URLs and the master's name. */
  readonly urls: readonly string[]
  readonly name: string
  /** As they were in the beginning. */
  readonly master: RedisServer
  readonly replica: RedisServer
  readonly sentinels: readonly RedisServer[]
  /** Until all Sentinels name this server as the master. */
  isMaster(server: RedisServer): Promise<void>
  readonly remove: () => Promise<void>
}

/** A master, a replica that has all of it, and three Sentinels that replace a master dead for half a second. */
export async function redisWithSentinels(password?: string): Promise<RedisWithSentinels> {
  const made: RedisServer[] = []
  const make = async (options: RedisServerOptions): Promise<RedisServer> => {
    const server = await redisServer(options)
    made.push(server)
    return server
  }
  const name = 'main'
  const remove = async (): Promise<void> => {
    await Promise.all(made.map((server) => server.remove()))
  }
  try {
    const access = password === undefined ? {} : { password }
    const master = await make(access)
    const replica = await make({ ...access, config: [`replicaof 127.0.0.1 ${master.port}`] })
    const monitor = [
      `sentinel monitor ${name} 127.0.0.1 ${master.port} 2`,
      `sentinel down-after-milliseconds ${name} 500`,
      `sentinel failover-timeout ${name} 3000`,
      ...(password === undefined ? [] : [`sentinel auth-pass ${name} ${password}`]),
    ]
    const sentinels = await Promise.all([1, 2, 3].map(() => make({ isSentinel: true, config: monitor })))
    const knows = async (sentinel: RedisServer, field: string, count: string): Promise<boolean> => {
      const lines = (await sentinel.cli('SENTINEL', 'MASTER', name)).split('\n')
      return lines[lines.indexOf(field) + 1] === count
    }
    await until(
      async () =>
        (await replica.cli('INFO', 'replication')).includes('master_link_status:up') &&
        (
          await Promise.all(
            sentinels.flatMap((one) => [
              knows(one, 'num-slaves', '1'),
              knows(one, 'num-other-sentinels', '2'),
            ]),
          )
        ).every(Boolean),
      'the Sentinels did not find each other',
    )
    const names = async (sentinel: RedisServer, port: number): Promise<boolean> =>
      (await sentinel.cli('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name)).includes(String(port))
    return {
      urls: sentinels.map(({ url }) => url),
      name,
      master,
      replica,
      sentinels,
      isMaster: ({ port }) =>
        until(
          async () => (await Promise.all(sentinels.map((one) => names(one, port)))).every(Boolean),
          'the Sentinels did not change the master',
        ),
      remove,
    }
  } catch (error) {
    await remove()
    throw error
  }
}
