import { isBuiltin } from 'node:module'
import { isAbsolute, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { messageOf, optionError } from './errors.js'
import type { StoreConfig, StoreKind } from './protocol.js'
import { check, type Fields, fieldsOf } from './validate.js'

/** Reads the `store` option. */

const FIELDS: Readonly<Record<StoreKind, readonly string[]>> = {
  memory: [],
  file: ['path', 'encryptionKey'],
  sqlite: ['path', 'encryptionKey'],
  postgres: ['url', 'encryptionKey'],
  mysql: ['url', 'encryptionKey'],
  redis: ['url', 'cluster', 'sentinel', 'encryptionKey'],
  module: ['url', 'options', 'encryptionKey'],
}
const KINDS = ['memory', 'file', 'sqlite', 'postgres', 'mysql', 'redis', 'module'] satisfies StoreKind[]

/** @throws TokenThreadError `ERR_OPTIONS`; no message shows a URL: it may hold a password. */
export function readStore(value: unknown): StoreConfig {
  if (value === undefined) return { kind: 'memory' }
  if (typeof value === 'string' || value instanceof URL) return readStore({ kind: 'module', url: value })
  const { kind: given } = fieldsOf(value, 'store.', ['kind', ...Object.values(FIELDS).flat()])
  if (given === undefined)
    throw optionError(`store.kind is missing: give one of ${KINDS.map((kind) => `'${kind}'`).join(', ')}`)
  const kind = check.oneOf<StoreKind>(given, 'store.kind', KINDS, 'memory')
  const fields = fieldsOf(value, 'store.', ['kind', ...FIELDS[kind]])
  // As where an environment variable is missing: tokens would lie in the clear.
  if ('encryptionKey' in fields && fields.encryptionKey === undefined)
    throw optionError('store.encryptionKey is undefined: give a key, or leave it out')
  const encryptionKeys = keysOf(fields.encryptionKey)
  switch (kind) {
    case 'memory':
      return { kind }
    case 'file':
      return { kind, path: pathOf(fields.path), encryptionKeys }
    case 'sqlite':
      if (!isBuiltin('node:sqlite')) {
        throw optionError(
          `store.kind 'sqlite' needs Node 22.13, and this is ${process.versions.node}: take { kind: 'file', path }`,
        )
      }
      return { kind, path: pathOf(fields.path), encryptionKeys }
    case 'postgres':
      return { kind, url: urlOf(fields.url, 'store.url', ['postgres:', 'postgresql:']), encryptionKeys }
    case 'mysql':
      return { kind, url: urlOf(fields.url, 'store.url', ['mysql:', 'mariadb:']), encryptionKeys }
    case 'redis':
      return { ...redisOf(fields), encryptionKeys }
    case 'module':
      return { kind, url: moduleOf(fields.url), options: cloneable(fields.options), encryptionKeys }
  }
}

function pathOf(value: unknown): string {
  if (value instanceof URL) {
    if (value.protocol !== 'file:') throw optionError('store.path must be a path or a file URL')
    return localPathOf(value)
  }
  const path = check.text(value, 'store.path')
  if (path === undefined) throw optionError('store.path is missing: say where the file is')
  return path.startsWith('file:') ? localPathOf(check.url(path, 'store.path', ['file:'])) : resolve(path)
}

function localPathOf(url: URL): string {
  try {
    return fileURLToPath(url)
  } catch (error) {
    throw optionError(`store.path names no local file: ${messageOf(error)}`)
  }
}

/** What the thread is started with is cloned. */
function cloneable(options: unknown): unknown {
  try {
    return structuredClone(options)
  } catch (error) {
    throw optionError(`store.options can't be handed to the thread: ${messageOf(error)}`)
  }
}

function urlOf(value: unknown, path: string, protocols: readonly string[]): string {
  if (value === undefined) throw optionError(`${path} is missing: give the server’s URL`)
  return check.url(value, path, protocols, 'hide').href
}

function redisOf(fields: Fields): Extract<StoreConfig, { kind: 'redis' }> {
  const given = fields.url
  const list: readonly unknown[] = Array.isArray(given) ? given : [given]
  const urls = list.map((url, i) =>
    urlOf(url, Array.isArray(given) ? `store.url[${i}]` : 'store.url', ['redis:', 'rediss:']),
  )
  const cluster = check.flag(fields.cluster, 'store.cluster', false)
  const sentinel = check.text(fields.sentinel, 'store.sentinel')
  if (cluster && sentinel !== undefined)
    throw optionError(
      'store.cluster stands beside store.sentinel: a Redis Cluster has no Sentinels, leave one out',
    )
  if (urls.length === 0) throw optionError('store.url is an empty list: give at least one URL')
  if (urls.length > 1 && !cluster && sentinel === undefined)
    throw optionError(
      'store.url is a list: say whether they are nodes of a cluster (cluster: true) or Sentinels (sentinel: name)',
    )
  return { kind: 'redis', urls, cluster, sentinel, encryptionKeys: [] }
}

function moduleOf(value: unknown): string {
  const url = value instanceof URL ? value.href : check.text(value, 'store.url')
  if (url === undefined) throw optionError('store.url is missing: say which module exports the store')
  if (url.startsWith('.'))
    throw optionError(
      "store.url must not be relative: the thread is elsewhere. Give new URL('./store.js', import.meta.url)",
    )
  if (isAbsolute(url)) return pathToFileURL(url).href
  // Not shown: a server's URL may hold a password.
  if (URL.canParse(url) && !['file:', 'data:', 'node:'].includes(new URL(url).protocol))
    throw optionError(
      "store names no module: for a server give { kind: 'postgres', url }, or mysql, or redis",
    )
  return url
}

const KEY_BYTES = 32

function keysOf(value: unknown): readonly string[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) return [keyOf(value, 'store.encryptionKey')]
  if (value.length === 0)
    throw optionError('store.encryptionKey is an empty list: give a key, or leave it out')
  return value.map((key: unknown, i) => keyOf(key, `store.encryptionKey[${i}]`))
}

/** In base64, to cross to the thread. The message never shows the value. */
function keyOf(value: unknown, path: string): string {
  const how = `${path} must be ${KEY_BYTES} bytes, as a Buffer or in base64: make one with \`openssl rand -base64 32\``
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) throw optionError(how)
  if (typeof value === 'string' && !/^[\w+/-]+={0,2}$/.test(value.trim())) throw optionError(how)
  const bytes = typeof value === 'string' ? Buffer.from(value, 'base64') : Buffer.from(value)
  if (bytes.length !== KEY_BYTES) throw optionError(`${how} (it has ${bytes.length} bytes)`)
  return bytes.toString('base64')
}
