import { expect, test } from 'vitest'
import type { Notice, Store } from '../../src/store.js'
import { StoreOperatorError } from '../../workers/stores/store-error.js'
import { cleanUp } from '../support/cleanup.js'
import { deadPort } from '../support/proxy.js'
import { type RedisWithSentinels, redisWithSentinels } from '../support/redis-sentinels.js'
import { openRedis, redisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'
import { describeWith } from '../support/servers.js'

/** A master that is replaced by its Sentinels, on real ones. */

async function made(password?: string): Promise<RedisWithSentinels> {
  const redis = await redisWithSentinels(password)
  cleanUp(redis.remove)
  return redis
}

function openAt({ urls, name }: RedisWithSentinels): Store {
  return openRedis({ urls, sentinel: name })
}

const LEASE = { duration: 60_000, known: 0 }

async function granted(store: Store, known = 0): Promise<number> {
  const answer = await store.acquire('a', { duration: 60_000, known })
  expect(answer.granted).toBe(true)
  return answer.stored.epoch
}

function token(generation: number) {
  return { accessToken: `token-${generation}`, issuedAt: 1, expiresAt: 2, generation }
}

const works = (store: Store) => async (): Promise<boolean> =>
  Promise.resolve(store.release('a', 0)).then(
    () => true,
    () => false,
  )

describeWith(['redis-program', 'redis-sentinel-program'], 'Redis behind Sentinels', () => {
  test('when the master dies the replica serves what was stored, and who watches hears of it', async () => {
    const redis = await made()
    const store = openAt(redis)
    const heard: (Notice | undefined)[] = []
    store.watch((notice) => heard.push(notice))
    await until(() => heard.length === 1, 'no subscription')
    const epoch = await granted(store)
    await store.publish('a', epoch, token(epoch))
    await store.release('a', epoch)
    await until(
      async () => (await redis.replica.cli('HGET', 'token-thread:{a}', 'leaseEnds')) === '0',
      'no copy',
    )
    await redis.master.kill()
    await redis.isMaster(redis.replica)
    await until(works(store), 'never worked again')
    expect((await store.load('a')).token).toEqual({ ...token(epoch), epoch })
    await until(
      () => heard.includes(undefined) && heard.at(-1) === undefined && heard.length === 3,
      'no new subscription',
    )
    const next = await granted(store)
    expect(next).toBeGreaterThan(epoch)
    await store.publish('a', next, token(next))
    await until(() => heard.length === 4, 'no notice from the new master')
    expect(heard[3]).toEqual({ key: 'a', generation: next, suspect: false })
  })

  test('a failover that forgets the last lease grants a higher epoch to whoever knows the last one', async () => {
    const redis = await made()
    const store = openAt(redis)
    const first = await granted(store)
    await store.release('a', first)
    await until(
      async () => (await redis.replica.cli('HGET', 'token-thread:{a}', 'leaseEnds')) === '0',
      'no copy',
    )
    // The replica is away while the last lease is given, for an epoch far ahead of the clock.
    await redis.replica.kill()
    const lost = await granted(store, first + 1_000_000_000)
    await redis.master.kill()
    await redis.replica.start()
    await redis.isMaster(redis.replica)
    await until(works(store), 'never worked again')
    expect((await store.load('a')).epoch).toBe(first)
    expect(await store.publish('a', lost, token(lost))).toBe(false)
    expect(await granted(store, lost)).toBeGreaterThan(lost)
  })

  test('a master that is replaced while it lives is left', async () => {
    const redis = await made()
    const store = openAt(redis)
    const epoch = await granted(store)
    await redis.sentinels[0]?.cli('SENTINEL', 'FAILOVER', redis.name)
    await redis.isMaster(redis.replica)
    await until(async () => (await redis.master.cli('ROLE')).startsWith('slave'), 'the old master stayed one')
    await until(works(store), 'never worked again')
    expect((await store.load('a')).epoch).toBe(epoch)
    await store.release('a', epoch)
    await granted(store)
    expect(await redis.replica.cli('HGET', 'token-thread:{a}', 'epoch')).not.toBe(String(epoch))
  })

  test('a Sentinel that is silent or gone leaves time for the others', async () => {
    const redis = await made()
    redis.sentinels[0]?.pause()
    await redis.sentinels[1]?.kill()
    const store = openAt(redis)
    // On a busy machine one try may not do; without its share of the time no try ever would.
    await until(works(store), 'the third one was never asked')
    await granted(store)
  })

  test('a name that no Sentinel knows is for an operator, and all Sentinels gone is not', async () => {
    const redis = await made()
    const other = openRedis({ urls: redis.urls, sentinel: 'other' })
    await expect(other.load('a')).rejects.toThrow(StoreOperatorError)
    await expect(other.load('a')).rejects.toThrow('know no master named other')
    for (const sentinel of redis.sentinels) await sentinel.kill()
    const store = openAt(redis)
    const failure: unknown = await Promise.resolve(store.load('a')).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(Error)
    expect(failure).not.toBeInstanceOf(StoreOperatorError)
  })

  test('the credentials of the URL are the master’s, and a Sentinel that asks for some gets them too', async () => {
    const redis = await made('right')
    const withUser = (urls: readonly string[]): string[] =>
      urls.map((url) => url.replace('redis://', 'redis://:right@'))
    const store = openRedis({ urls: withUser(redis.urls), sentinel: redis.name })
    const { stored } = await store.acquire('a', LEASE)
    for (const { cli } of redis.sentinels)
      await cli('ACL', 'SETUSER', 'default', 'resetpass', '>right', ...SENTINEL_RIGHTS)
    const [first = '', second = ''] = redis.urls
    await redis.sentinels[0]?.kill()
    for (const urls of [withUser([first, second]), [...withUser([first]), second]]) {
      const asked = openRedis({ urls, sentinel: redis.name })
      expect((await asked.load('a')).epoch).toBe(stored.epoch)
    }
  })

  test('operations and a subscription that begin at once both pass over a Sentinel that is gone', async () => {
    const redis = await made()
    const [url = ''] = redis.urls
    const store = openRedis({ urls: [await deadUrl(), url], sentinel: redis.name })
    store.watch(() => undefined)
    expect((await store.load('a')).epoch).toBe(0)
  })
})

const SENTINEL_RIGHTS = ['-@all', '+sentinel|get-master-addr-by-name']

async function deadUrl(): Promise<string> {
  return `redis://127.0.0.1:${await deadPort()}`
}

async function failureOf(urls: readonly string[]): Promise<unknown> {
  return Promise.resolve(openRedis({ urls, sentinel: 'main' }).load('a')).catch((error: unknown) => error)
}

describeWith('redis-program', 'Sentinels of which none helps', () => {
  test('are named one by one, and once', async () => {
    const failure = await failureOf([await deadUrl(), await deadUrl()])
    expect(failure).not.toBeInstanceOf(StoreOperatorError)
    expect(String(failure)).toMatch(/^Error: Redis at 127\.0\.0\.1:\d+: connect ECONNREFUSED/)
  })

  test('are for an operator to mend where one of them said so, whichever is asked last', async () => {
    const sentinel = await redisServer({ isSentinel: true })
    cleanUp(sentinel.remove)
    const said = async (url: string): Promise<unknown> => failureOf([url, await deadUrl()])
    await sentinel.cli('ACL', 'SETUSER', 'other', 'on', '>right', '+ping')
    await sentinel.cli('ACL', 'SETUSER', 'default', '-@all', '+acl')
    const { url } = sentinel
    for (const [failure, mend] of [
      [await said(url), SENTINEL_RIGHTS.at(-1)],
      [await said(url.replace('//', '//other:right@')), SENTINEL_RIGHTS.at(-1)],
      [await said(url.replace('//', '//other:wrong@')), 'Correct user and password'],
    ]) {
      expect(failure).toBeInstanceOf(StoreOperatorError)
      expect(String(failure)).toContain(mend)
    }
  })
})
