import { expect, test } from 'vitest'
import type { Addresses } from '../../src/protocol.js'
import { systemRuntime } from '../../src/runtime.js'
import type { Spawn } from '../../src/thread.js'
import { fate, MORTAL_WORKER } from '../support/channel.js'
import { cleanUp } from '../support/cleanup.js'
import { redisServer } from '../support/redis-server.js'
import { simulator, threadOn } from '../support/simulated.js'
import { describeWith } from '../support/servers.js'

/** The addresses of a Redis outlive the thread, as the issuer's do: looking them up may wait for libuv's pool. */

describeWith('redis-program', 'the addresses of a Redis', () => {
  test('that a thread was handed are used without a lookup', async () => {
    const redis = await redisServer()
    cleanUp(redis.remove)
    // A name that no lookup finds.
    const addresses: Addresses = { 'redis.invalid': [{ address: '127.0.0.1', family: 4 }] }
    const spawn: Spawn = (start, url, onExit) => systemRuntime.spawn({ ...start, addresses }, url, onExit)
    const store = { kind: 'redis', url: `redis://redis.invalid:${redis.port}` } as const
    const tokens = await threadOn(await simulator(), { store }, { spawn })
    const key = await redis.cli('KEYS', 'token-thread:*')
    expect(await redis.cli('HGET', key, 'accessToken')).toBe(tokens.get())
  })

  test('that a thread has learned are handed to the next one', async () => {
    const redis = await redisServer()
    cleanUp(redis.remove)
    const starts: Addresses[] = []
    const spawn: Spawn = (start, url, onExit) => {
      starts.push(start.addresses)
      return systemRuntime.spawn(start, url, onExit)
    }
    const store = { kind: 'redis', url: `redis://localhost:${redis.port}` } as const
    const tokens = await threadOn(await simulator(), { store, workerUrl: MORTAL_WORKER }, { spawn })
    const { kill, alive } = fate()
    const reborn = alive()
    kill('exit')
    await reborn
    expect(starts.map((addresses) => Object.keys(addresses))).toEqual([[], ['localhost']])
    expect(tokens.status()).toMatchObject({ state: 'valid', restarts: 1 })
  })
})
