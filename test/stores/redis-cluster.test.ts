import { expect, test } from 'vitest'
import type { Store } from '../../src/store.js'
import { StoreOperatorError } from '../../workers/stores/store-error.js'
import { cleanUp } from '../support/cleanup.js'
import { type RedisCluster, redisCluster } from '../support/redis-cluster.js'
import { openRedis, type RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'
import { describeWith } from '../support/servers.js'

/** Which node holds a key, and what happens when that changes. */

async function made(): Promise<RedisCluster> {
  const cluster = await redisCluster()
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
    const store = openAt(cluster.urls)
    const { stored } = await store.acquire('a', LEASE)
    const { epoch: generation } = stored
    await store.publish('a', generation, { accessToken: 'token', issuedAt: 1, expiresAt: 2, generation })
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
    const [source, target] = await Promise.all([from, to].map(({ cli }) => cli('CLUSTER', 'MYID')))
    const slot = await from.cli('CLUSTER', 'KEYSLOT', 'token-thread:{a}')
    await to.cli('CLUSTER', 'SETSLOT', slot, 'IMPORTING', String(source))
    await from.cli('CLUSTER', 'SETSLOT', slot, 'MIGRATING', String(target))
    expect((await store.load('a')).epoch, 'still there').toBe(stored.epoch)
    await from.cli('MIGRATE', '127.0.0.1', String(to.port), 'token-thread:{a}', '0', '5000')
    await to.cli('SCRIPT', 'FLUSH')
    expect((await store.load('a')).epoch, 'asked for').toBe(stored.epoch)
    expect(await store.release('a', stored.epoch)).toBe(true)
    for (const node of [to, from, ...cluster.nodes])
      await node.cli('CLUSTER', 'SETSLOT', slot, 'NODE', String(target))
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
