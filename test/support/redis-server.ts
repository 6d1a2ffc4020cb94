import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { systemClock } from '../../src/clock.js'
import type { Store } from '../../src/store.js'
import { redisStore, type RedisStoreParts } from '../../workers/stores/redis/store.js'
import { cleanUp } from './cleanup.js'
import { programOf } from './servers.js'

/**
 * Redis servers of a test's own, on free ports of 127.0.0.1 and in temporary folders: alone, with TLS, behind
 * Sentinels, as a cluster. Whoever makes one removes it (`cleanUp(() => server.remove())`).
 */
export interface RedisServer {
  readonly port: number
  /** `redis://127.0.0.1:port`, or `rediss://` with TLS. */
  readonly url: string
  /** Sends one command by redis-cli; the reply as text. */
  readonly cli: (...args: readonly string[]) => Promise<string>
  /** After `stop` or `kill`, on the same port, with what was written before: every write is on disk. */
  start(): Promise<void>
  /** In good order: connections are closed. */
  stop(): Promise<void>
  kill(): Promise<void>
  /** It keeps its connections, takes new ones, and says nothing (SIGSTOP). */
  pause(): void
  resume(): void
  readonly remove: () => Promise<void>
}

export interface RedisServerOptions {
  /** Lines of redis.conf, as in `maxmemory-policy noeviction`. */
  readonly config?: readonly string[]
  /** With a certificate by a CA of its own. */
  readonly tls?: Certificate
  readonly isSentinel?: boolean
  /** Of the default user. Default: none. */
  readonly password?: string
}

/** None outlives the test's process. */
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export async function redisServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'token-thread-redis-'))
  const port = await freePort()
  const { config = [], tls, isSentinel = false, password } = options
  const file = join(folder, 'redis.conf')
  const ports = tls
    ? [
        `port 0`,
        `tls-port ${port}`,
        `tls-cert-file ${tls.cert}`,
        `tls-key-file ${tls.key}`,
        'tls-auth-clients no',
      ]
    : [`port ${port}`]
  const access = password === undefined ? [] : [`requirepass ${password}`, `masterauth ${password}`]
  const disk = isSentinel ? [] : ['save ""', 'appendonly yes', 'appendfsync always']
  writeFileSync(
    file,
    [...ports, 'bind 127.0.0.1', `dir ${folder}`, ...disk, ...access, ...config, ''].join('\n'),
  )
  const cliArgs = [
    ...['-p', String(port)],
    ...(tls ? ['--tls', '--cacert', tls.ca] : []),
    ...(password === undefined ? [] : ['-a', password, '--no-auth-warning']),
  ]
  let child: ChildProcess | undefined

  const cli = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await promisify(execFile)('redis-cli', [...cliArgs, ...args], { timeout: 10_000 })
    return stdout.trim()
  }
  const isUp = async (): Promise<boolean> =>
    cli('PING').then(
      (said) => said === 'PONG' || said.startsWith('NOAUTH'),
      () => false,
    )
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child?.once('exit', resolve))
    child.kill(signal)
    child.kill('SIGCONT')
    await ended
  }
  const server: RedisServer = {
    port,
    url: `${tls ? 'rediss' : 'redis'}://127.0.0.1:${port}`,
    cli,
    start: async () => {
      const program = programOf('redis-server')
      if (program === undefined) throw new Error('no program redis-server')
      const log: string[] = []
      const started = spawn(program, [file, ...(isSentinel ? ['--sentinel'] : [])], {
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      child = started
      running.add(started)
      started.once('exit', () => running.delete(started))
      for (const stream of [started.stdout, started.stderr])
        stream.on('data', (data) => log.push(String(data)))
      await until(async () => {
        if (started.exitCode !== null) throw new Error(`redis-server ended: ${log.join('')}`)
        return isUp()
      }, 'redis-server did not start')
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    remove: async () => {
      await end('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
  await server.start()
  return server
}

export interface RedisPlace {
  readonly urls: readonly string[]
  readonly cluster?: boolean
  readonly sentinel?: string
}

/** A store there, closed after the test. A warning fails the test that does not expect it. */
export function openRedis(
  { urls, cluster = false, sentinel }: RedisPlace,
  parts: Partial<RedisStoreParts> = {},
): Store {
  const warn = (message: string): void => {
    throw new Error(message)
  }
  const store = redisStore(
    { kind: 'redis', urls, cluster, sentinel, encryptionKeys: [] },
    { clock: systemClock, warn, ...parts },
  )
  cleanUp(() => store.close())
  return store
}

// ------------------------------------------------------------------------------------------------------ Sentinel

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

// ------------------------------------------------------------------------------------------------------- Cluster

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

// ----------------------------------------------------------------------------------------------------------- TLS

export interface Certificate {
  /** Paths of files. */
  readonly ca: string
  readonly cert: string
  readonly key: string
  readonly remove: () => void
}

/** For 127.0.0.1, by a CA that nobody trusts unless told to. */
export async function certificate(): Promise<Certificate> {
  const folder = mkdtempSync(join(tmpdir(), 'token-thread-tls-'))
  mkdirSync(folder, { recursive: true })
  const path = (name: string): string => join(folder, name)
  const openssl = (...args: string[]): Promise<unknown> => promisify(execFile)('openssl', args)
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  await openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    path('ca.key'),
    '-out',
    path('ca.crt'),
    '-subj',
    '/CN=a test CA',
  )
  await openssl(
    ...[
      'req',
      '-x509',
      ...key,
      '-keyout',
      path('server.key'),
      '-out',
      path('server.crt'),
      '-subj',
      '/CN=redis',
    ],
    ...['-CA', path('ca.crt'), '-CAkey', path('ca.key'), '-addext', 'subjectAltName=IP:127.0.0.1'],
    ...['-addext', 'basicConstraints=critical,CA:FALSE'],
  )
  return {
    ca: path('ca.crt'),
    cert: path('server.crt'),
    key: path('server.key'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

// ------------------------------------------------------------------------------------------------- a bad network

/** A way to a server that can be cut. */
export interface Wire {
  readonly url: string
  /** Nothing gets through any more, in either direction, and nobody is told. */
  silence(): void
  /** Connections are torn down, and new ones too. */
  cut(): void
  /** New connections get through; silent ones stay silent. */
  mend(): void
  readonly remove: () => void
}

export async function wireTo(port: number): Promise<Wire> {
  let state: 'whole' | 'silent' | 'cut' = 'whole'
  const pairs = new Set<{ readonly sockets: readonly [Socket, Socket]; isSilent: boolean }>()
  const server: Server = createServer((client) => {
    if (state === 'cut') {
      client.destroy()
      return
    }
    const upstream = connect(port, '127.0.0.1')
    const pair = { sockets: [client, upstream] as const, isSilent: state === 'silent' }
    pairs.add(pair)
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on('data', (data) => pair.isSilent || to.write(data))
      from.on('error', () => to.destroy())
      from.on('close', () => {
        pairs.delete(pair)
        to.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  const tearDown = (): void => {
    for (const { sockets } of pairs) for (const socket of sockets) socket.destroy()
  }
  return {
    url: `redis://127.0.0.1:${address.port}`,
    silence: () => {
      state = 'silent'
      for (const pair of pairs) pair.isSilent = true
    },
    cut: () => {
      state = 'cut'
      tearDown()
    },
    mend: () => (state = 'whole'),
    remove: () => {
      tearDown()
      server.close()
    },
  }
}

// ------------------------------------------------------------------------------------------------------- helpers

/** ms; for what a loaded machine may take. */
const PATIENCE = 30_000

/** Asks again until it holds. */
export async function until(holds: () => Promise<boolean> | boolean, otherwise: string): Promise<void> {
  const end = Date.now() + PATIENCE
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`${otherwise} within ${PATIENCE} ms`)
    await sleep(20)
  }
}

/** Below those that the system gives to outgoing connections: a server that is started again finds its port free. */
async function freePort(): Promise<number> {
  for (let i = 0; i < 100; i++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    if (await isFree(port)) return port
  }
  throw new Error('no free port')
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
