import { setMaxListeners } from 'node:events'
import type { LookupFunction } from 'node:net'
import type { Clock } from '../../../src/clock.js'
import type { StoreConfig } from '../../../src/protocol.js'
import type { Store } from '../../../src/store.js'
import { StoreOperatorError } from '../store-error.js'
import { acquiredIn, isWrittenIn, storedIn } from './answers.js'
import { redisPackage } from './client.js'
import { Cluster } from './cluster.js'
import { Connection, type Ground } from './connection.js'
import { evictionWarning } from './eviction.js'
import { Notices } from './notices.js'
import { ACQUIRE, keyOf, LOAD, PUBLISH, RELEASE, type Script, SPEND, SUSPECT } from './scripts.js'
import { Sentinels } from './sentinel.js'
import { OneServer, type Servers } from './servers.js'
import { placeOf, type Target, targetOf } from './target.js'
import { within } from './within.js'

export interface RedisStoreParts {
  readonly clock: Clock
  readonly lookup: LookupFunction
  readonly warn: (message: string) => void
  /** ms; how long one operation may take, with the connection that it may need. Default: 5_000. */
  readonly operationTimeout?: number
}

/**
 * The store in Redis 5 or newer. Opening it loads `@redis/client` and connects to nobody: each operation connects where
 * there is no connection, and fails where there can be none within its time.
 * @throws StoreOperatorError where the package is missing, or a URL can't be used
 */
export function redisStore(
  config: Extract<StoreConfig, { kind: 'redis' }>,
  { clock, lookup, warn, operationTimeout: timeout = 5_000 }: RedisStoreParts,
): Store {
  const targets = config.urls.map(targetOf)
  const ground: Ground = { redis: redisPackage(), lookup, timeout }
  const closing = new AbortController()
  // One for each operation under way: many at once are no leak.
  setMaxListeners(0, closing.signal)
  const servers = serversOf(config, targets, ground, clock, evictionWarning(closing.signal, warn))
  const notices = new Notices({ servers, clock, timeout, closing: closing.signal, warn })
  const places = targets.map(placeOf).join(', ')

  const run = async <T>(
    script: Script,
    account: string,
    args: readonly (number | string | undefined)[],
    read: (reply: unknown, key: string) => T,
  ): Promise<T> => {
    const key = keyOf(account)
    const texts = args.map(textOf)
    const why = `Redis at ${places} gave no answer within ${timeout} ms`
    const reply = await within(clock, timeout, closing.signal, why, (signal) =>
      servers.run(script, key, texts, signal),
    )
    return read(reply, key)
  }

  return {
    pollEvery: 30_000,
    load: (key) => run(LOAD, key, [], storedIn),
    acquire: (key, { duration, known }) => run(ACQUIRE, key, [duration, known], acquiredIn),
    spend: (key, epoch, { dayEnds, calls, forced, lastCall, lastForced }) =>
      run(SPEND, key, [epoch, dayEnds, calls, forced, lastCall, lastForced], isWrittenIn),
    publish: (key, epoch, { accessToken, issuedAt, expiresAt, generation }) =>
      run(PUBLISH, key, [epoch, accessToken, issuedAt, expiresAt, generation], isWrittenIn),
    markSuspect: async (key, generation) => {
      await run(SUSPECT, key, [generation], isWrittenIn)
    },
    release: (key, epoch, retry) =>
      run(RELEASE, key, retry ? [epoch, retry.at, retry.failures] : [epoch], isWrittenIn),
    watch: (onNotice) => notices.watch(onNotice),
    close: () => {
      closing.abort(new Error('the store was closed'))
      servers.close()
    },
  }
}

function serversOf(
  { urls, cluster, sentinel }: Extract<StoreConfig, { kind: 'redis' }>,
  targets: readonly Target[],
  ground: Ground,
  clock: Clock,
  answered: (connection: Connection) => void,
): Servers {
  const [target] = targets
  if (!target) throw new StoreOperatorError(`store.url names no server (${urls.length} were given)`)
  if (cluster) return new Cluster(ground, clock, targets, answered)
  if (sentinel === undefined)
    return new OneServer((signal) => Connection.open(ground, target, signal), answered)
  const sentinels = new Sentinels(ground, clock, sentinel, targets)
  return new OneServer((signal) => sentinels.master(signal), answered)
}

/** What is undefined is an empty text: the scripts take it for none. A fraction would make the record look damaged. */
function textOf(value: number | string | undefined): string {
  if (typeof value === 'number' && !Number.isSafeInteger(value))
    throw new RangeError(`a store keeps whole numbers, not ${value}`)
  return value === undefined ? '' : String(value)
}
