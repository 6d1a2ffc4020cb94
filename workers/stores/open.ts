import type { LookupFunction } from 'node:net'
import type { Clock } from '../../src/clock.js'
import { assertNever, messageOf } from '../../src/errors.js'
import type { StoreConfig } from '../../src/protocol.js'
import type { OpenStore, Store } from '../../src/store.js'
import { encryptedStore, plainStore } from './encrypted.js'
import { fileStore } from './file.js'
import { redisStore } from './redis/store.js'
import { mysqlStore } from './sql/mysql.js'
import { postgresStore } from './sql/postgres.js'
import { sqliteStore } from './sql/sqlite.js'
import { StoreOperatorError } from './store-error.js'

/** Memory is no such store: nobody shares it, and it needs nothing. */
export type SharedStoreConfig = Exclude<StoreConfig, { kind: 'memory' }>

export interface OpenContext {
  readonly clock: Clock
  /** Known addresses at once: a lookup runs on libuv's pool, which the application may have saturated. */
  readonly lookup: LookupFunction
  /** Tells an operator, in the log; without secrets. */
  readonly warn: (message: string) => void
}

/**
 * Opens a store by its kind. The package that a kind needs is loaded here, and nobody is connected to.
 * @throws StoreOperatorError where a package or module is missing or not what it should be
 */
export async function openStore(config: SharedStoreConfig, context: OpenContext): Promise<Store> {
  const store = await storeOf(config, context)
  const { encryptionKeys } = config
  return encryptionKeys.length > 0 ? encryptedStore(store, encryptionKeys) : plainStore(store)
}

function storeOf(config: SharedStoreConfig, context: OpenContext): Store | Promise<Store> {
  switch (config.kind) {
    case 'file':
      return fileStore(config.path, context)
    case 'sqlite':
      return sqliteStore(config.path, context)
    case 'postgres':
      return postgresStore(config.url, context)
    case 'mysql':
      return mysqlStore(config.url, context)
    case 'redis':
      return redisStore(config, context)
    case 'module':
      return moduleStore(config.url, config.options, context)
    default:
      return assertNever(config)
  }
}

async function moduleStore(url: string, options: unknown, { warn }: OpenContext): Promise<Store> {
  const open = await openIn(url)
  return open({ options, warn })
}

async function openIn(url: string): Promise<OpenStore> {
  let module: unknown
  try {
    module = await import(url)
  } catch (error) {
    throw new StoreOperatorError(`the store’s module ${url} does not load: ${messageOf(error)}`)
  }
  const exported = defaultOf(module)
  if (!isOpenStore(exported))
    throw new StoreOperatorError(
      `the store’s module ${url} must default-export a function that opens a store`,
    )
  return exported
}

/** Imported CommonJS has what it exports as its default; compiled to CommonJS, a default export is in there. */
function defaultOf(module: unknown): unknown {
  if (typeof module !== 'object' || module === null || !('default' in module)) return undefined
  const exported = module.default
  const isNested = typeof exported === 'object' && exported !== null && 'default' in exported
  return isNested ? exported.default : exported
}

function isOpenStore(value: unknown): value is OpenStore {
  return typeof value === 'function'
}
