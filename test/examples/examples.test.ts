import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { repository } from '../packaging/installed.js'
import { type Simulator, startSimulator } from '../../simulator/index.js'
import { cleanUp } from '../support/cleanup.js'
import { appId, programFor, Server } from './server.js'

/** Each example runs as it is: copied into a program that has the packed package. */

const examples = readdirSync(join(repository, 'examples')).filter((file) => file.endsWith('.ts'))
const folder = programFor('examples')
const answered = { status: 200, body: '{"ip_list":["127.0.0.1"]}' }

async function simulate(): Promise<Simulator> {
  const simulator = await startSimulator({ accounts: [{ appId, appSecret: 'secret' }] })
  cleanUp(() => simulator.close())
  return simulator
}

test('there are examples', () => {
  expect(examples.sort()).toEqual([
    'co-wechat-api.ts',
    'express.ts',
    'fastify.ts',
    'koa.ts',
    'node-easywechat.ts',
    'node-http.ts',
    'undici.ts',
  ])
})

describe.each(examples)('%s', (file) => {
  test('answers, heals a revoked token, and ends on SIGTERM', async () => {
    const simulator = await simulate()
    const server = await Server.start(folder, file, simulator)

    expect(await server.ask()).toEqual(answered)
    expect(simulator.counters()).toMatchObject({ issued: 1 })

    simulator.revoke(appId)
    expect(await server.ask()).toEqual(answered)
    expect(simulator.counters()).toMatchObject({ issued: 2 })
    expect(await server.ask()).toEqual(answered)
    expect(simulator.counters()).toMatchObject({ issued: 2 })

    expect(await server.end()).toEqual([0, null])
  })

  test('finishes the request that is under way when SIGTERM comes, healing included', async () => {
    const simulator = await simulate()
    const server = await Server.start(folder, file, simulator)
    simulator.revoke(appId)
    const held = simulator.inject({ on: 'token', hold: true })
    const tokenCall = new Promise<void>((resolve) => {
      simulator.on('request', ({ kind }) => kind === 'stable_token' && resolve())
    })
    const answer = server.ask()
    await tokenCall
    const ended = server.end()
    await server.unreachable()
    held.release()
    expect(await Promise.all([answer, ended])).toEqual([answered, [0, null]])
  })
})
