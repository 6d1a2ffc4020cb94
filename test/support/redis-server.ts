import { execFile } from 'node:child_process'
import { lookup } from 'node:dns'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { systemClock } from '../../src/clock.js'
import type { Store } from '../../src/store.js'
import { redisStore, type RedisStoreParts } from '../../workers/stores/redis/store.js'
import type { Certificate } from './certificate.js'
import { cleanUp } from './cleanup.js'
import { freePort, type OwnServer, serverProcess } from './server-process.js'
import { programOf } from './servers.js'

export interface RedisServer extends OwnServer {
  /** Sends one command by redis-cli; the reply as text. */
  readonly cli: (...args: readonly string[]) => Promise<string>
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

/** A Redis of a test's own, whose writes are all on disk. Whoever makes one removes it. */
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
    ...(tls ? ['--tls', '--insecure'] : []),
    ...(password === undefined ? [] : ['-a', password, '--no-auth-warning']),
  ]
  const cli = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await promisify(execFile)('redis-cli', [...cliArgs, ...args], { timeout: 10_000 })
    return stdout.trim()
  }
  const server = await serverProcess({
    url: `${tls ? 'rediss' : 'redis'}://127.0.0.1:${port}`,
    port,
    folder,
    program: programOf('redis-server') ?? 'redis-server',
    args: [file, ...(isSentinel ? ['--sentinel'] : [])],
    stopSignal: 'SIGTERM',
    ask: async () => {
      const said = await cli('PING')
      if (said !== 'PONG' && !said.startsWith('NOAUTH')) throw new Error(said)
    },
  })
  return { ...server, cli }
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
    { clock: systemClock, lookup, warn, ...parts },
  )
  cleanUp(() => store.close())
  return store
}
