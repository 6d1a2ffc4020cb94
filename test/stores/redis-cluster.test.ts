import { expect, test } from 'vitest'
import { type Clock, systemClock } from '../../src/clock.js'
import type { Store } from '../../src/store.js'
import { StoreOperatorError } from '../../workers/stores/store-error.js'
import { cleanUp } from '../support/cleanup.js'
import { deadPort } from '../support/proxy.js'
import { type RedisCluster, redisCluster } from '../support/redis-cluster.js'
import { openRedis, redisServer, type RedisServer } from '../support/redis-server.js'
import { freePort } from '../support/server-process.js'
import { tcpProxy } from '../support/tcp-proxy.js'
import { until } from '../support/until.js'
import { describeWith } from '../support/servers.js'

/** Which node holds a key, and what happens when that changes. */

async function made(config: readonly string[] = []): Promise<RedisCluster> {
  const cluster = await redisCluster(config)
  cleanUp(cluster.remove)
  return cluster
}

function openAt(urls: readonly string[]): Store {
  return openRedis({ urls, cluster: true })
}

const LEASE = { duration: 60_000, known: 0 }
const ACCOUNTS = Array.from({ length: 24 }, (_, i) => `account-${i}`)

async function holds(node: RedisServer, account: string): Promise<boolean> {
  return (await node.cli('EXISTS', `token-thread:{${account}}`)) === '1'
}

async function ownerOf({ nodes }: RedisCluster, account: string): Promise<[RedisServer, RedisServer]> {
  const owned = await Promise.all(nodes.map((node) => holds(node, account)))
  const owner = nodes[owned.indexOf(true)]
  const other = nodes[owned.indexOf(false)]
  if (!owner || !other) throw new Error(`nobody holds ${account}`)
  return [owner, other]
}

/** A slot on its way, until `arrive`. */
async function moving({ nodes }: RedisCluster, account: string, from: RedisServer, to: RedisServer) {
  const [source, target] = await Promise.all([from, to].map(({ cli }) => cli('CLUSTER', 'MYID')))
  const key = `token-thread:{${account}}`
  const slot = await from.cli('CLUSTER', 'KEYSLOT', key)
  await to.cli('CLUSTER', 'SETSLOT', slot, 'IMPORTING', String(source))
  await from.cli('CLUSTER', 'SETSLOT', slot, 'MIGRATING', String(target))
  return {
    migrate: () => from.cli('MIGRATE', '127.0.0.1', String(to.port), key, '0', '5000'),
    arrive: async () => {
      for (const node of [to, from, ...nodes])
        await node.cli('CLUSTER', 'SETSLOT', slot, 'NODE', String(target))
    },
  }
}

/** It answers, and holds no slot: as one that the others have lost. */
async function lonelyNode(): Promise<RedisServer> {
  const node = await redisServer({ config: ['cluster-enabled yes', `cluster-port ${await freePort()}`] })
  cleanUp(node.remove)
  return node
}

async function publish(store: Store): Promise<number> {
  const { stored } = await store.acquire('a', LEASE)
  const { epoch: generation } = stored
  await store.publish('a', generation, { accessToken: 'token', issuedAt: 1, expiresAt: 2, generation })
  return generation
}

describeWith('redis-program', 'a Redis Cluster', () => {
  test('accounts are spread over the nodes, whichever node is asked first', async () => {
    const cluster = await made()
    const store = openAt(cluster.urls.slice(1, 2))
    const answers = await Promise.all(ACCOUNTS.map(async (account) => store.acquire(account, LEASE)))
    expect(answers.every(({ granted }) => granted)).toBe(true)
    for (const node of cluster.nodes)
      expect(Number(await node.cli('DBSIZE')), 'records on each node').toBeGreaterThan(0)
  })

  test('a notice is heard by who watches at another node', async () => {
    const cluster = await made()
    const heard: unknown[] = []
    for (const url of cluster.urls) openAt([url]).watch((notice) => heard.push(notice))
    await until(() => heard.length === 3, 'no subscriptions')
    const generation = await publish(openAt(cluster.urls))
    await until(() => heard.length === 6, 'not all heard')
    expect(heard.slice(3)).toEqual(
      Array.from({ length: 3 }, () => ({ key: 'a', generation, suspect: false })),
    )
  })

  test('a key on its way to another node, and one that has arrived, are found', async () => {
    const cluster = await made()
    const store = openAt(cluster.urls)
    const { stored } = await store.acquire('a', LEASE)
    const [from, to] = await ownerOf(cluster, 'a')
    const slot = await moving(cluster, 'a', from, to)
    expect((await store.load('a')).epoch, 'still there').toBe(stored.epoch)
    await slot.migrate()
    await to.cli('SCRIPT', 'FLUSH')
    expect((await store.load('a')).epoch, 'asked for').toBe(stored.epoch)
    expect(await store.release('a', stored.epoch)).toBe(true)
    await slot.arrive()
    const { granted } = await store.acquire('a', LEASE)
    expect(granted).toBe(true)
    expect(await holds(to, 'a')).toBe(true)
  })

  test('a node that is gone fails its own accounts only, and they work again when it is back', async () => {
    const cluster = await made()
    const store = openAt(cluster.urls)
    // The others go on serving.
    for (const { cli } of cluster.nodes) await cli('CONFIG', 'SET', 'cluster-require-full-coverage', 'no')
    for (const account of ACCOUNTS) await store.acquire(account, LEASE)
    const [gone] = cluster.nodes
    if (!gone) throw new Error('no nodes')
    const owned = await Promise.all(ACCOUNTS.map((account) => holds(gone, account)))
    await gone.kill()
    const loads = async () => Promise.allSettled(ACCOUNTS.map(async (account) => store.load(account)))
    expect((await loads()).map(({ status }) => status === 'rejected')).toEqual(owned)
    for (const result of await loads())
      if (result.status === 'rejected') expect(result.reason).not.toBeInstanceOf(StoreOperatorError)
    await gone.start()
    await until(
      async () => (await loads()).every(({ status }) => status === 'fulfilled'),
      'never worked again',
    )
  })

  test('the first of the nodes may be gone', async () => {
    const cluster = await made()
    for (const { cli } of cluster.nodes) await cli('CONFIG', 'SET', 'cluster-require-full-coverage', 'no')
    const whole = openAt(cluster.urls.slice(1))
    for (const account of ACCOUNTS) await whole.acquire(account, LEASE)
    const [gone, second] = cluster.nodes
    if (!gone || !second) throw new Error('no nodes')
    const owned = await Promise.all(ACCOUNTS.map((account) => holds(second, account)))
    await gone.kill()
    const store = openAt(cluster.urls)
    expect((await store.load(ACCOUNTS[owned.indexOf(true)] ?? '')).epoch).toBeGreaterThan(0)
    const heard: unknown[] = []
    store.watch((notice) => heard.push(notice))
    await until(() => heard.length === 1, 'no subscription')
  })

  test('an owner that fell silent is left, and the same operation finds who holds the key now', async () => {
    // With a password connecting takes an answer.
    const cluster = await made(['user store on >pass +@all ~* &*'])
    const { stored } = await openAt(cluster.urls).acquire('a', LEASE)
    const [from, to] = await ownerOf(cluster, 'a')
    const way = await tcpProxy(from.port)
    cleanUp(() => way.remove())
    await from.cli('CONFIG', 'SET', 'cluster-announce-port', String(way.port))
    await until(
      async () => (await to.cli('CLUSTER', 'NODES')).includes(`127.0.0.1:${way.port}@`),
      'nobody heard of the way',
    )
    // The first share of an operation's time that is given out ends soon; nothing else ends within this test.
    let isHurried = false
    const clock: Clock = {
      ...systemClock,
      timer: (ms, run) => {
        const isShare = isHurried && ms < 600_000
        if (isShare) isHurried = false
        return systemClock.timer(isShare ? 50 : ms, run)
      },
    }
    const url = to.url.replace('//', '//store:pass@')
    const store = openRedis({ urls: [url], cluster: true }, { clock, operationTimeout: 600_000 })
    expect((await store.load('a')).epoch).toBe(stored.epoch)
    const slot = await moving(cluster, 'a', from, to)
    await slot.migrate()
    await slot.arrive()
    way.cut()
    way.silence()
    // Meanwhile the store notices the cut; where it does not, its next operation fails of that.
    await from.cli('PING')
    isHurried = true
    await until(
      async () =>
        Promise.resolve(store.load('a')).then(
          ({ epoch }) => epoch === stored.epoch,
          () => false,
        ),
      'never found',
    )
  })

  test('a node that answers and knows no cluster is passed over, by operations and by who watches', async () => {
    const cluster = await made()
    const urls = [(await lonelyNode()).url, ...cluster.urls]
    const heard: unknown[] = []
    openAt(urls).watch((notice) => heard.push(notice))
    await until(() => heard.length === 1, 'no subscription')
    const generation = await publish(openAt(urls))
    await until(() => heard.length === 2, 'it watches where nothing is heard')
    expect(heard[1]).toEqual({ key: 'a', generation, suspect: false })
  })

  test('many operations at once, the very first ones, all pass over a node that is gone', async () => {
    const cluster = await made()
    const store = openAt([`redis://127.0.0.1:${await deadPort()}`, ...cluster.urls.slice(0, 1)])
    const loads = await Promise.allSettled(ACCOUNTS.map(async (account) => store.load(account)))
    expect(loads.filter(({ status }) => status === 'rejected')).toEqual([])
  })

  test('what an operator can mend is said, whichever node is asked last', async () => {
    const { url } = await lonelyNode()
    const store = openAt([url.replace('//', '//nobody:wrong@'), `redis://127.0.0.1:${await deadPort()}`])
    const failure: unknown = await Promise.resolve(store.load('a')).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(StoreOperatorError)
    expect(String(failure)).toContain('WRONGPASS')
  })

  test('a cluster that is not called one is for an operator to mend, and so is one that is none', async () => {
    const cluster = await made()
    const single = cluster.urls.map((url) => openRedis({ urls: [url] }))
    const results = await Promise.allSettled(single.map(async (store) => store.load('a')))
    const failed = results.filter((result) => result.status === 'rejected')
    expect(failed.length).toBe(2)
    for (const { reason } of failed) {
      expect(reason).toBeInstanceOf(StoreOperatorError)
      expect(String(reason)).toContain('set store.cluster')
    }
    await expect(openAt([`${cluster.urls[0] ?? ''}/3`]).load('a')).rejects.toThrow(StoreOperatorError)
  })
})
