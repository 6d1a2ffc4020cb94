import { lookup } from 'node:dns'
import type { OpenStore, Store } from '../src/store.js'
import { systemClock } from '../src/clock.js'
import { fileStore } from '../workers/stores/file.js'
import { redisStore } from '../workers/stores/redis/store.js'
import { postgresStore } from '../workers/stores/sql/postgres.js'
import { isSheet, OPERATIONS } from './fleet-sheet.js'

/**
 * The store's module of the bench *fleet*: one of the package's own, and it counts what the node asks of it, and when
 * it last published. It does not look again by itself: what is counted follows from rotations alone.
 */

const open: OpenStore = ({ options, warn }) => {
  if (!isSheet(options)) throw new Error('this module is a store of a bench')
  const counts = new Int32Array(options.counts)
  const published = new BigInt64Array(options.published)
  const store = opened(options.kind, options.at, warn)
  const count = (operation: (typeof OPERATIONS)[number]): void => {
    Atomics.add(counts, OPERATIONS.indexOf(operation), 1)
  }
  return {
    pollEvery: 3_600_000,
    load: (key) => (count('load'), store.load(key)),
    acquire: (key, wanted) => (count('acquire'), store.acquire(key, wanted)),
    spend: (key, epoch, spent) => (count('spend'), store.spend(key, epoch, spent)),
    publish: (key, epoch, token) => {
      count('publish')
      Atomics.store(published, 0, process.hrtime.bigint())
      return store.publish(key, epoch, token)
    },
    markSuspect: (key, generation) => (count('markSuspect'), store.markSuspect(key, generation)),
    release: (key, epoch, retry) => (count('release'), store.release(key, epoch, retry)),
    watch: (onNotice) => store.watch(onNotice),
    close: () => store.close(),
  }
}

function opened(kind: string, at: string, warn: (message: string) => void): Store {
  const parts = { clock: systemClock, lookup, warn }
  switch (kind) {
    case 'redis':
      return redisStore({ kind, urls: [at], cluster: false, sentinel: undefined, encryptionKeys: [] }, parts)
    case 'postgres':
      return postgresStore(at, parts)
    default:
      return fileStore(at, parts)
  }
}

// eslint-disable-next-line no-restricted-exports -- a store's module default-exports it
export default open
