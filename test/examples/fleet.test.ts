import { expect, test } from 'vitest'
import { startSimulator } from '../../simulator/index.js'
import { cleanUp } from '../support/cleanup.js'
import { redisServer } from '../support/redis-server.js'
import { describeWith } from '../support/servers.js'
import { appId, programFor, Server } from './server.js'

const folder = programFor('fleet')

describeWith('redis-program', 'the nodes of compose.yaml', () => {
  test('share one token and one count; a restart costs no fetch', async () => {
    const redis = await redisServer()
    cleanUp(() => redis.remove())
    const simulator = await startSimulator({ accounts: [{ appId, appSecret: 'secret' }] })
    cleanUp(() => simulator.close())
    const start = (): Promise<Server> =>
      Server.start(folder, 'fleet/node.ts', simulator, { REDIS_URL: redis.url })

    const first = await start()
    const second = await start()
    const one = await statusOf(first)
    expect(JSON.parse(one)).toMatchObject({ state: 'valid', fetchesToday: 1, store: 'up', servedFirst: 0 })
    expect(await statusOf(second)).toBe(one)

    expect(await first.end()).toEqual([0, null])
    expect(await statusOf(await start())).toBe(one)
    expect(simulator.counters().tokenCalls).toBe(1)
  })
})

/** What a node says, but for its own name and the noise of its clock. */
async function statusOf(server: Server): Promise<string> {
  return (await server.ask()).body.replace(/"(node|expiresAt)":("[^"]*"|\d+),/g, '')
}
