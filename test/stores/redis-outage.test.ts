import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { type Clock, systemClock } from '../../src/clock.js'
import type { Notice, PublishedToken, Store } from '../../src/store.js'
import { StoreOperatorError } from '../../workers/stores/store-error.js'
import { cleanUp } from '../support/cleanup.js'
import { deadPort, silentHost } from '../support/proxy.js'
import { openRedis, redisServer, type RedisServer } from '../support/redis-server.js'
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy.js'
import { until } from '../support/until.js'
import { describeWith } from '../support/servers.js'

/**
 * The server goes, and comes back: an operation fails in its time and works again, and who watches hears that notices
 * may have been lost. That nothing is thrown with nobody to catch it, vitest sees.
 */

const SOON = 400

async function server(): Promise<RedisServer> {
  const made = await redisServer()
  cleanUp(made.remove)
  return made
}

/** A way to it that can be cut. */
async function wire({ port }: RedisServer): Promise<TcpProxy & { readonly url: string }> {
  const made = await tcpProxy(port)
  cleanUp(() => made.remove())
  return { ...made, url: `redis://127.0.0.1:${made.port}` }
}

/** What an operation fails with, whatever became of the one before; it must fail, and not for an operator. */
async function failureOf(store: Store): Promise<string> {
  const failure = await Promise.resolve(store.load('a')).then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(failure).toBeInstanceOf(Error)
  expect(failure).not.toBeInstanceOf(StoreOperatorError)
  return String(failure)
}

const works = (store: Store) => async (): Promise<boolean> =>
  Promise.resolve(store.load('a')).then(
    () => true,
    () => false,
  )

function token(generation: number): PublishedToken {
  return { accessToken: `token-${generation}`, issuedAt: 1, expiresAt: 2, generation }
}

async function publish(store: Store): Promise<number> {
  const { stored } = await store.acquire('a', { duration: 1, known: 0 })
  expect(await store.publish('a', stored.epoch, token(stored.epoch))).toBe(true)
  return stored.epoch
}

/** Watches until the subscription stands. */
async function watching(store: Store): Promise<(Notice | undefined)[]> {
  const heard: (Notice | undefined)[] = []
  store.watch((notice) => heard.push(notice))
  await until(() => heard.length === 1, 'no subscription')
  expect(heard).toEqual([undefined])
  return heard
}

/** A publication that is heard shows that the subscription stands again. */
async function hearsAgain(heard: readonly (Notice | undefined)[], store: Store): Promise<void> {
  await until(() => heard.length === 2, 'no new subscription')
  expect(heard[1]).toBeUndefined()
  const generation = await publish(store)
  await until(() => heard.length === 3, 'no notice after the new subscription')
  expect(heard[2]).toEqual({ key: 'a', generation, suspect: false })
}

describeWith('redis-program', 'Redis goes away and comes back', () => {
  for (const how of ['stop', 'kill'] as const) {
    test(`after a ${how} operations fail, and work again with what was stored; who watches hears of it`, async () => {
      const redis = await server()
      const store = openRedis({ urls: [redis.url] }, { operationTimeout: SOON })
      const heard = await watching(store)
      const generation = await publish(store)
      await until(() => heard.length === 2, 'no notice')
      heard.pop()
      await redis[how]()
      for (let i = 0; i < 3; i++) await failureOf(store)
      await redis.start()
      await until(works(store), 'never worked again')
      expect((await store.load('a')).token?.generation).toBe(generation)
      await hearsAgain(heard, store)
    })
  }

  test('a server that is paused costs an operation its time, on an old connection and on a new one', async () => {
    const redis = await server()
    const old = openRedis({ urls: [redis.url] }, { operationTimeout: SOON })
    await old.load('a')
    redis.pause()
    const fresh = openRedis({ urls: [redis.url] }, { operationTimeout: SOON })
    for (const store of [old, fresh, old]) {
      const began = systemClock.monotonic()
      expect(await failureOf(store)).toContain(`no answer within ${SOON} ms`)
      expect(systemClock.monotonic() - began).toBeGreaterThan(SOON - 50)
    }
    redis.resume()
    for (const store of [old, fresh]) await until(works(store), 'never worked again')
  })

  test('all operations that wait for a paused server fail, each by itself', async () => {
    const redis = await server()
    const store = openRedis({ urls: [redis.url] }, { operationTimeout: SOON })
    await store.load('a')
    redis.pause()
    const failures = await Promise.allSettled(Array.from({ length: 20 }, async () => store.load('a')))
    for (const failure of failures)
      expect(failure.status === 'rejected' && String(failure.reason)).toMatch(/Redis at \S+ gave no answer/)
    redis.resume()
    await until(works(store), 'never worked again')
  })

  test('a connection that was cut off without a word is given up, and another one works', async () => {
    const redis = await server()
    const way = await wire(redis)
    const store = openRedis({ urls: [way.url] }, { operationTimeout: SOON })
    await store.load('a')
    way.silence()
    expect(await failureOf(store)).toContain('no answer')
    way.mend()
    await until(works(store), 'the silent connection is still in use')
  })

  test('who watches on a connection that was cut off without a word notices by itself', async () => {
    const redis = await server()
    const way = await wire(redis)
    // The pings come sooner.
    const clock: Clock = { ...systemClock, timer: (ms, run) => systemClock.timer(Math.min(ms, SOON), run) }
    const store = openRedis({ urls: [way.url] }, { clock, operationTimeout: SOON })
    const direct = openRedis({ urls: [redis.url] })
    const heard = await watching(store)
    way.silence()
    await publish(direct)
    way.mend()
    await hearsAgain(heard, direct)
  })

  test('connections that are torn down are made anew', async () => {
    const redis = await server()
    const way = await wire(redis)
    const store = openRedis({ urls: [way.url] }, { operationTimeout: SOON })
    const heard = await watching(store)
    await store.load('a')
    way.cut()
    await failureOf(store)
    way.mend()
    await until(works(store), 'never worked again')
    await hearsAgain(heard, store)
  })

  test('what was under way when its connection was lost says why it was', async () => {
    const redis = await server()
    const way = await wire(redis)
    const store = openRedis({ urls: [way.url] })
    await store.load('a')
    const { answered } = way.holdAnswerTo('EVALSHA')
    const failure = failureOf(store)
    await answered
    way.cut()
    expect(await failure).toMatch(/Socket closed unexpectedly|ECONNRESET/)
  })

  test('a server that forgot its scripts learns them again', async () => {
    const redis = await server()
    const store = openRedis({ urls: [redis.url] })
    await store.load('a')
    await redis.cli('SCRIPT', 'FLUSH')
    const epoch = await publish(store)
    await redis.cli('SCRIPT', 'FLUSH')
    await store.markSuspect('a', epoch)
    expect((await store.load('a')).suspectSince).toBe(epoch)
  })

  test('what comes before the server is there fails, and what comes after works', async () => {
    const redis = await server()
    await redis.stop()
    const store = openRedis({ urls: [redis.url] }, { operationTimeout: SOON })
    const heard: unknown[] = []
    store.watch((notice) => heard.push(notice))
    expect(await failureOf(store)).toContain('ECONNREFUSED')
    await redis.start()
    await until(works(store), 'never worked')
    await until(() => heard.length === 1, 'never subscribed')
  })

  test('who watches no more is told nothing, and the others are', async () => {
    const redis = await server()
    const store = openRedis({ urls: [redis.url] })
    const one: unknown[] = []
    const unwatch = store.watch((notice) => one.push(notice))
    const heard = await watching(store)
    unwatch()
    await publish(store)
    await until(() => heard.length === 2, 'no notice')
    expect(one).toEqual([undefined])
  })
})

describeWith('redis-program', 'closing a Redis store', () => {
  for (const [what, scheme] of [
    ['whose answer does not come', 'redis'],
    ['whose handshake does not end', 'rediss'],
  ] as const) {
    test(`fails at once what waits for a server ${what}, leaves it, and fails all that comes later`, async () => {
      const silent = await silentHost()
      const store = openRedis(
        { urls: [`${scheme}://127.0.0.1:${silent.port}`] },
        { operationTimeout: 600_000 },
      )
      const pending = expect(store.load('a')).rejects.toThrow('the store was closed')
      await until(() => silent.connections() === 1, 'no connection')
      await store.close()
      await pending
      await silent.left()
      await expect(store.load('a')).rejects.toThrow('the store was closed')
      expect(silent.connections()).toBe(1)
    })
  }

  test('lets the process end, whatever the server does', async () => {
    const redis = await server()
    const silent = await silentHost()
    const urls = [
      redis.url,
      ...['redis', 'rediss'].map((scheme) => `${scheme}://127.0.0.1:${silent.port}`),
      `redis://127.0.0.1:${await deadPort()}`,
    ]
    const root = new URL('../../', import.meta.url)
    const code = `
      import { lookup } from 'node:dns'
      import { redisStore } from '${root.href}workers/stores/redis/store.ts'
      import { systemClock } from '${root.href}src/clock.ts'
      const stores = ${JSON.stringify(urls)}.map((url) => {
        const config = { kind: 'redis', urls: [url], cluster: false, sentinel: undefined, encryptionKeys: [] }
        return redisStore(config, { clock: systemClock, lookup, warn: console.error, operationTimeout: 600_000 })
      })
      for (const store of stores) store.watch(() => undefined)
      const [first, ...others] = stores
      const failed = others.map((store) => store.load('a').catch((error) => error.message))
      await first.load('a')
      for (const store of stores) store.close()
      console.log((await Promise.all(failed)).length)
    `
    const args = ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', code]
    // Killed, and so failed, if it does not end.
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
      cwd: root,
      timeout: 40_000,
    })
    expect({ stdout, stderr }).toEqual({ stdout: '3\n', stderr: '' })
  })
})
