import { expect, test } from 'vitest'
import { StoreOperatorError } from '../../workers/stores/store-error.js'
import { cleanUp } from '../support/cleanup.js'
import { openRedis, redisServer, type RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'
import { describeWith } from '../support/servers.js'

/** What Redis refuses: whether an operator must mend it, and how, and never with a password. */

async function server(...config: string[]): Promise<RedisServer> {
  const made = await redisServer({ config })
  cleanUp(made.remove)
  return made
}

async function failureOf(doing: unknown): Promise<Error> {
  const failure = await Promise.resolve(doing).then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(failure instanceof Error)) throw new Error('it did not fail')
  return failure
}

async function operatorsFailure(doing: unknown): Promise<string> {
  const failure = await failureOf(doing)
  expect(failure).toBeInstanceOf(StoreOperatorError)
  return failure.message
}

function withUser(url: string, username: string, password: string): string {
  const own = new URL(url)
  own.username = username
  own.password = encodeURIComponent(password)
  return own.href
}

const KEY = 'token-thread:{a}'
const LEASE = { duration: 60_000, known: 0 }

describeWith('redis-program', 'what Redis refuses', () => {
  test('a key that holds something else is named, left as it is, and works when it is gone', async () => {
    const redis = await server()
    await redis.cli('SET', KEY, 'theirs')
    const store = openRedis({ urls: [redis.url] })
    for (const doing of [store.load('a'), store.acquire('a', LEASE), store.publish('a', 0, token(1))])
      expect(await operatorsFailure(doing)).toContain(`${KEY} holds something that is not ours`)
    expect(await redis.cli('GET', KEY)).toBe('theirs')
    await redis.cli('DEL', KEY)
    expect((await store.acquire('a', LEASE)).granted).toBe(true)
  })

  for (const [what, ...fields] of [
    ['a field that is no number', 'calls', 'many'],
    ['a fraction', 'epoch', '1.5'],
    ['a number as Lua writes it', 'leaseEnds', '1.7e+12'],
    ['an empty number', 'generation', ''],
    ['a number beyond what Lua holds', 'lastCall', '9007199254740992'],
    ['a number without an end', 'lastForced', '1'.repeat(400)],
    ['half a token', 'accessToken', 'theirs'],
    ['half a retry', 'retryAt', '5'],
    ['half a count', 'dayEnds', '5'],
  ]) {
    test(`a record with ${String(what)} is not trusted and not overwritten`, async () => {
      const redis = await server()
      const store = openRedis({ urls: [redis.url] })
      const { stored } = await store.acquire('a', LEASE)
      await redis.cli('HSET', KEY, ...fields)
      const before = await redis.cli('HGETALL', KEY)
      const { epoch } = stored
      for (const doing of [
        () => store.load('a'),
        () => store.acquire('a', LEASE),
        () => store.publish('a', epoch, token(epoch)),
        () => store.spend('a', epoch, NOTHING),
        () => store.markSuspect('a', 1),
        () => store.release('a', epoch),
      ])
        expect(await operatorsFailure(doing())).toMatch(`${KEY} in Redis is damaged`)
      expect(await redis.cli('HGETALL', KEY)).toBe(before)
    })
  }

  test('a hash of somebody else is not taken for a record', async () => {
    const redis = await server()
    await redis.cli('HSET', KEY, 'theirs', '1')
    const store = openRedis({ urls: [redis.url] })
    expect(await operatorsFailure(store.acquire('a', LEASE))).toContain('its field epoch is wrong')
  })

  test('a wrong, a missing and a needless password are said without being shown', async () => {
    const redis = await server('requirepass right')
    const open = await server()
    const cases = [
      [withUser(redis.url, 'default', 'wr:ong/1'), 'WRONGPASS'],
      [withUser(redis.url, 'nobody', 'wr:ong/1'), 'WRONGPASS'],
      [redis.url, 'NOAUTH'],
      [withUser(open.url, '', 'wr:ong/1'), 'without any password configured'],
    ] as const
    for (const [url, said] of cases) {
      const message = await operatorsFailure(openRedis({ urls: [url] }).load('a'))
      expect(message).toContain(said)
      expect(message).toContain('Correct user and password in store.url')
      expect(message).not.toMatch(/wr(:|%3A)ong/)
    }
  })

  test('a password that was changed while it runs is asked for, and mended without a restart', async () => {
    const redis = await server()
    const store = openRedis({ urls: [withUser(redis.url, 'store', 'first')] })
    await redis.cli('ACL', 'SETUSER', 'store', 'on', '>first', '+@all', '~*', '&*')
    await store.load('a')
    await redis.cli('ACL', 'SETUSER', 'store', 'resetpass', '>second')
    await redis.cli('CLIENT', 'KILL', 'USER', 'store')
    // The first one finds its connection closed.
    await failureOf(store.load('a'))
    await operatorsFailure(store.load('a'))
    await redis.cli('ACL', 'SETUSER', 'store', '>first')
    await store.load('a')
  })

  test('a user without the right to a command or the key hears which rights the store needs', async () => {
    const redis = await server('user none on >pass +ping', 'user other on >pass +@all ~other:* &*')
    for (const user of ['none', 'other']) {
      const message = await operatorsFailure(
        openRedis({ urls: [withUser(redis.url, user, 'pass')] }).load('a'),
      )
      expect(message).toContain('NOPERM')
      expect(message).toContain('~token-thread:* &token-thread:notices +evalsha')
    }
  })

  for (const right of ['time', 'hgetall', 'hset']) {
    test(`a user without the right to ${right}, which a script needs, hears of it`, async () => {
      const redis = await server(`user some on >pass +@all -${right} ~* &*`)
      const store = openRedis({ urls: [withUser(redis.url, 'some', 'pass')] })
      expect(await operatorsFailure(store.acquire('a', LEASE))).toContain(`+${right}`)
      expect(await redis.cli('EXISTS', KEY)).toBe('0')
    })
  }

  test('without the right to the last of its commands a script has written nothing', async () => {
    const redis = await server('user some on >pass +@all -hdel ~* &*')
    const store = openRedis({ urls: [withUser(redis.url, 'some', 'pass')] })
    const { stored } = await store.acquire('a', LEASE)
    const before = await redis.cli('HGETALL', KEY)
    expect(await operatorsFailure(store.publish('a', stored.epoch, token(stored.epoch)))).toContain('+hdel')
    expect(await redis.cli('HGETALL', KEY)).toBe(before)
    expect((await store.load('a')).token).toBeUndefined()
  })

  test('without the right to the channel tokens are still published, and one warning says that nobody hears', async () => {
    const redis = await server('user mute on >pass +@all ~* resetchannels')
    const warnings: string[] = []
    const warn = (message: string): void => void warnings.push(message)
    const store = openRedis({ urls: [withUser(redis.url, 'mute', 'pass')] }, { warn })
    store.watch(() => undefined)
    const { stored } = await store.acquire('a', LEASE)
    expect(await store.publish('a', stored.epoch, token(stored.epoch))).toBe(true)
    expect((await store.load('a')).token?.generation).toBe(stored.epoch)
    await until(() => warnings.length > 0, 'no warning')
    expect(warnings).toEqual([expect.stringContaining('no notices of new tokens')])
  })

  test('a database that is not there is for an operator, and so is one with a name', async () => {
    const redis = await server()
    expect(await operatorsFailure(openRedis({ urls: [`${redis.url}/999`] }).load('a'))).toContain(
      'Correct the database number',
    )
    expect(() => openRedis({ urls: [`${redis.url}/main`] })).toThrow(StoreOperatorError)
  })

  test('a user or password that can’t be decoded is for an operator, and is not shown', () => {
    for (const access of ['50%off:pass', 'user:50%off', ':50%']) {
      const open = (): unknown => openRedis({ urls: [`redis://${access}@127.0.0.1`] })
      expect(open).toThrow(StoreOperatorError)
      expect(open).toThrow(/^user and password in store\.url must be percent-encoded(?!.*50%)/)
    }
  })

  test('each database has records of its own', async () => {
    const redis = await server()
    const [one, two] = [0, 5].map((database) => openRedis({ urls: [`${redis.url}/${database}`] }))
    await one?.acquire('a', LEASE)
    expect((await two?.load('a'))?.epoch).toBe(0)
    expect((await one?.load('a'))?.epoch).toBeGreaterThan(0)
  })

  test('a master that became a replica is left, and used again when it is the master', async () => {
    const [redis, other] = [await server(), await server()]
    const store = openRedis({ urls: [redis.url] })
    await store.load('a')
    const connections = async (): Promise<string> =>
      /total_connections_received:\d+/.exec(await redis.cli('INFO', 'stats'))?.[0] ?? ''
    await redis.cli('REPLICAOF', '127.0.0.1', String(other.port))
    const failure = await failureOf(store.acquire('a', LEASE))
    expect(failure).not.toBeInstanceOf(StoreOperatorError)
    expect(failure.message).toContain('READONLY')
    await redis.cli('CONFIG', 'RESETSTAT')
    await failureOf(store.acquire('a', LEASE))
    // One is redis-cli's.
    expect(await connections()).toBe('total_connections_received:2')
    await redis.cli('REPLICAOF', 'NO', 'ONE')
    await until(
      async () =>
        Promise.resolve(store.acquire('a', LEASE)).then(
          () => true,
          () => false,
        ),
      'never worked again',
    )
  })

  test('a server with full memory refuses for a while', async () => {
    const redis = await server('maxmemory 1', 'maxmemory-policy noeviction')
    const store = openRedis({ urls: [redis.url] })
    const failure = await failureOf(store.acquire('a', LEASE))
    expect(failure).not.toBeInstanceOf(StoreOperatorError)
    expect(failure.message).toContain('OOM')
    await redis.cli('CONFIG', 'SET', 'maxmemory', '0')
    expect((await store.acquire('a', LEASE)).granted).toBe(true)
  })

  test('what a server that runs no scripts says never shows the token', async () => {
    const redis = await server('rename-command EVALSHA ""', 'rename-command EVAL ""')
    const store = openRedis({ urls: [redis.url] })
    const message = await operatorsFailure(store.publish('', 1, { ...token(1), accessToken: 'se-cret' }))
    expect(message).toContain('unknown command')
    expect(message).not.toContain('se-cret')
  })

  test('a server that may evict is warned of once, one that may not is not', async () => {
    const redis = await server('maxmemory-policy allkeys-lru')
    const warnings: string[] = []
    const warn = (message: string): void => void warnings.push(message)
    const store = openRedis({ urls: [redis.url] }, { warn })
    await store.load('a')
    await until(() => warnings.length > 0, 'no warning')
    await redis.cli('CLIENT', 'KILL', 'TYPE', 'normal')
    await until(
      async () =>
        Promise.resolve(store.load('a')).then(
          () => true,
          () => false,
        ),
      'never worked again',
    )
    await store.load('a')
    expect(warnings).toEqual([expect.stringContaining('maxmemory-policy of Redis is allkeys-lru')])
  })

  test('nothing is asked for a warning before the store has its first answer', async () => {
    const redis = await server('slowlog-log-slower-than 0')
    await openRedis({ urls: [redis.url] }).load('a')
    const asked = async (): Promise<string> => redis.cli('SLOWLOG', 'GET')
    await until(async () => /^INFO$/m.test(await asked()), 'never asked')
    // The newest comes first.
    const commands = (await asked()).split('\n').filter((line) => /^(INFO|EVAL|EVALSHA)$/.test(line))
    expect(commands).toEqual(['INFO', 'EVAL', 'EVALSHA'])
  })

  test('a number that is not whole is not written', async () => {
    const redis = await server()
    const store = openRedis({ urls: [redis.url] })
    await expect(store.acquire('a', { duration: 1.5, known: 0 })).rejects.toThrow(RangeError)
    expect((await store.load('a')).epoch).toBe(0)
  })
})

const NOTHING = { dayEnds: 0, calls: 0, forced: 0, lastCall: undefined, lastForced: undefined }

function token(generation: number) {
  return { accessToken: `token-${generation}`, issuedAt: 1, expiresAt: 2, generation }
}
