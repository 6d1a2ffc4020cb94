import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { storeContract } from '../../testing/index.js'
import { StoreOperatorError } from '../../workers/stores/store-error.js'
import { certificate } from '../support/certificate.js'
import { cleanUp } from '../support/cleanup.js'
import { redisCluster } from '../support/redis-cluster.js'
import { redisWithSentinels } from '../support/redis-sentinels.js'
import { openRedis, type RedisPlace, redisServer, type RedisServer } from '../support/redis-server.js'
import { describeWith } from '../support/servers.js'

/** The contract, on each way in which Redis is run. */

const SET_UP = 60_000

function contractOn(set: () => Promise<RedisPlace & { remove: () => unknown }>): void {
  let made: Awaited<ReturnType<typeof set>> | undefined
  beforeAll(async () => {
    made = await set()
  }, SET_UP)
  afterAll(() => made?.remove())
  for (const { name, run } of storeContract) {
    test(name, () =>
      run(() => {
        if (!made) throw new Error('nothing was set up')
        return openRedis(made)
      }),
    )
  }
}

describeWith('redis-program', 'one server', () => {
  contractOn(async () => {
    const { url, remove } = await redisServer()
    return { urls: [url], remove }
  })
})

const RIGHTS =
  'resetkeys resetchannels ~token-thread:* &token-thread:notices -@all +evalsha +eval +time +hgetall +hset +hdel +publish +subscribe +ping +role +info +select +asking'

describeWith(
  'redis-program',
  'one server, as a user with the rights that are asked for, in another database',
  () => {
    contractOn(async () => {
      const { url, remove } = await redisServer({
        config: [`user store on >se:cr/et ${RIGHTS}`, 'user default off'],
      })
      const own = new URL('/3', url)
      own.username = 'store'
      own.password = encodeURIComponent('se:cr/et')
      return { urls: [own.href], remove }
    })
  },
)

describeWith(['redis-program', 'redis-sentinel-program'], 'a master that Sentinels name', () => {
  contractOn(async () => {
    const { urls, name, remove } = await redisWithSentinels()
    return { urls, sentinel: name, remove }
  })
})

describeWith('redis-program', 'a cluster of three masters', () => {
  contractOn(async () => {
    const { urls, remove } = await redisCluster()
    return { urls: urls.slice(0, 1), cluster: true, remove }
  })
})

/**
 * Whom the process trusts is fixed when it starts, so the contract runs in one of its own. It prints what failed, by
 * name; the last line is of a worker without an environment, as the refresher is.
 */
const IN_ITS_OWN_PROCESS = (root: string): string => `
  import { lookup } from 'node:dns'
  import { Worker } from 'node:worker_threads'
  import { storeContract } from '${root}testing/index.ts'
  import { redisStore } from '${root}workers/stores/redis/store.ts'
  import { systemClock } from '${root}src/clock.ts'
  const config = { kind: 'redis', urls: [process.env.REDIS], cluster: false, sentinel: undefined, encryptionKeys: [] }
  const open = () => redisStore(config, { clock: systemClock, lookup, warn: console.error })
  const failed = {}
  for (const { name, run } of storeContract) await run(open).catch((error) => (failed[name] = String(error)))
  const worker = new Worker(\`
    const { lookup } = require('node:dns')
    const { parentPort, workerData } = require('node:worker_threads')
    const load = (path) => import('${root}' + path)
    const run = async () => {
      const { register } = await import(\${JSON.stringify(process.env.TSX)})
      register()
      const { redisStore } = await load('workers/stores/redis/store.ts')
      const { systemClock } = await load('src/clock.ts')
      const store = redisStore(workerData, { clock: systemClock, lookup, warn: () => undefined })
      const { epoch } = await store.load('none')
      store.close()
      parentPort.postMessage(epoch)
    }
    run().catch((error) => parentPort.postMessage(String(error)))
  \`, { eval: true, execArgv: [], env: {}, workerData: config })
  worker.once('message', (worker) => console.log(JSON.stringify({ failed, worker })))
`

/** Prints what a store at each of the URLs fails with. A server that hangs up may be heard of before what it says. */
const FAILURES = (root: string): string => `
  import { lookup } from 'node:dns'
  import { redisStore } from '${root}workers/stores/redis/store.ts'
  import { systemClock } from '${root}src/clock.ts'
  const failures = JSON.parse(process.env.URLS).map(async (url) => {
    const config = { kind: 'redis', urls: [url], cluster: false, sentinel: undefined, encryptionKeys: [] }
    const store = redisStore(config, { clock: systemClock, lookup, warn: console.error })
    const said = () => store.load('any').then(() => 'none', String)
    let failure = await said()
    while (/ECONNRESET|EPIPE|Socket closed/.test(failure)) failure = await said()
    store.close()
    return failure
  })
  console.log(JSON.stringify(await Promise.all(failures)))
`

describeWith('redis-program', 'one server with TLS', () => {
  let server: RedisServer | undefined
  let trusted: Awaited<ReturnType<typeof certificate>> | undefined
  beforeAll(async () => {
    trusted = await certificate()
    server = await redisServer({ tls: trusted })
  }, SET_UP)
  afterAll(async () => {
    await server?.remove()
    trusted?.remove()
  })

  test('the contract holds where the process was started with its CA, also in a thread without an environment', async () => {
    const root = new URL('../../', import.meta.url)
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', IN_ITS_OWN_PROCESS(root.href)],
      {
        cwd: root,
        timeout: 50_000,
        env: {
          PATH: process.env.PATH,
          NODE_EXTRA_CA_CERTS: trusted?.ca,
          REDIS: server?.url,
          TSX: import.meta.resolve('tsx/esm/api'),
        },
      },
    )
    expect(JSON.parse(stdout)).toEqual({ failed: {}, worker: 0 })
  })

  test('a certificate for another name, one that has ended and a missing one of ours are said apart', async () => {
    if (!server || !trusted) throw new Error('nothing was set up')
    const late = await redisServer({ tls: { ...trusted, cert: trusted.expired } })
    cleanUp(late.remove)
    const strict = await redisServer({ tls: trusted, config: [`tls-ca-cert-file ${trusted.ca}`] })
    cleanUp(strict.remove)
    await strict.cli('CONFIG', 'SET', 'tls-auth-clients', 'yes')
    const root = new URL('../../', import.meta.url)
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', FAILURES(root.href)],
      {
        cwd: root,
        timeout: 50_000,
        env: {
          PATH: process.env.PATH,
          NODE_EXTRA_CA_CERTS: trusted.ca,
          URLS: JSON.stringify([server.url.replace('127.0.0.1', 'localhost'), late.url, strict.url]),
        },
      },
    )
    expect(JSON.parse(stdout)).toEqual([
      expect.stringMatching(/^StoreOperatorError: .*for another name.*cluster-announce-hostname/),
      expect.stringMatching(/^StoreOperatorError: .*expired.*Renew its certificate/),
      expect.stringMatching(/^StoreOperatorError: .*tls-auth-clients no$/),
    ])
  })

  test('a certificate that is not trusted is for an operator to mend', async () => {
    if (!server) throw new Error('nothing was set up')
    const store = openRedis({ urls: [server.url] })
    await expect(store.load('any')).rejects.toThrow(/NODE_EXTRA_CA_CERTS/)
    await expect(store.load('any')).rejects.toBeInstanceOf(StoreOperatorError)
    await store.close()
  })
})
