import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { startSimulator } from '../../simulator/index.js'
import { cleanUp } from '../support/cleanup.js'
import { redisServer } from '../support/redis-server.js'
import { describeWith } from '../support/servers.js'
import { appId, programFor, Server } from './server.js'

const folder = programFor('fleet')
/** Without a container engine: what it says of the nodes is held against the program that they run. */
const compose = readFileSync(new URL('../../compose.yaml', import.meta.url), 'utf8')
const file = /^ {2}command: node examples\/(.+)$/m.exec(compose)?.[1] ?? ''

describeWith('redis-program', 'the nodes of compose.yaml', () => {
  test('share one token and one count; a restart costs no fetch', async () => {
    const redis = await redisServer()
    cleanUp(() => redis.remove())
    const simulator = await startSimulator({ accounts: [{ appId, appSecret: 'secret' }] })
    cleanUp(() => simulator.close())
    const start = (): Promise<Server> => Server.start(folder, file, simulator, { REDIS_URL: redis.url })

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

test('the variables of compose.yaml are those that its program reads', () => {
  const program = readFileSync(new URL(`../../examples/${file}`, import.meta.url), 'utf8')
  const given = [...compose.matchAll(/^ {2}([A-Z_]+): /gm)].map(([, name]) => name)
  expect(given).toEqual(['WECHAT_APPID', 'WECHAT_APPSECRET', 'WECHAT_BASE_URL', 'REDIS_URL'])
  // The first two are the library's own.
  for (const name of given.slice(2)) expect(program).toContain(`process.env.${name}`)
})

test('the simulator of compose.yaml starts by its command, with the account that the nodes have', async () => {
  const words =
    /node dist\/cli\/token-thread\.js ([^:]+?)\n {4}depends_on/.exec(compose)?.[1]?.split(/\s+/) ?? []
  const args = words.map((word, i) => (words[i - 1] === '--port' ? '0' : word))
  const url = await simulatorBy(args)
  const options = /WECHAT_APPID: (\S+)[\s\S]*WECHAT_APPSECRET: (\S+)/.exec(compose)
  const query = new URLSearchParams({
    grant_type: 'client_credential',
    appid: options?.[1] ?? '',
    secret: options?.[2] ?? '',
  })
  const answer = await fetch(`${url}/cgi-bin/token?${query.toString()}`)
  expect(await answer.json()).toMatchObject({ expires_in: 120 })
})

/** Runs the command line; resolves to where it says that it listens. */
async function simulatorBy(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'cli/token-thread.ts', ...args], {
    cwd: new URL('../..', import.meta.url),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  cleanUp(() => child.kill('SIGKILL'))
  const lines = createInterface(child.stdout)
  void once(child, 'exit').then(() => lines.close())
  for await (const line of lines) {
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0]
    if (url !== undefined) return url
  }
  throw new Error('it did not listen')
}

/** What a node says, but for its own name and the noise of its clock. */
async function statusOf(server: Server): Promise<string> {
  return (await server.ask()).body.replace(/"(node|expiresAt)":("[^"]*"|\d+),/g, '')
}
