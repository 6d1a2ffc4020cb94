import { readFileSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { messageOf, optionError } from './errors.js'
import { defaultLogger, type Logger } from './logger.js'
import type { AccountOptions, NamedAccountOptions, TokenThreadOptions } from './options.js'
import { type AccountConfig, type Endpoint, leaseOf, type OnStoreDown, type StoreConfig } from './protocol.js'
import { readStore } from './store-config.js'
import { check, fieldsOf, type Fields } from './validate.js'

/** What the options and the environment amount to: validated and complete. The only place that knows a default. */
export interface Config {
  readonly accounts: readonly [AccountConfig, ...AccountConfig[]]
  readonly store: StoreConfig
  readonly startTimeout: number
  readonly signal: AbortSignal | undefined
  readonly workerUrl: URL | undefined
  readonly logger: Logger | false
}

export type Environment = Readonly<Record<string, string | undefined>>

const DEFAULTS = {
  endpoint: 'stable',
  baseUrl: 'https://api.weixin.qq.com',
  refreshAhead: 200_000,
  minDelay: 1_000,
  maxDelay: 60_000,
  timeout: 10_000,
  startTimeout: 30_000,
} as const

/** WeChat renews a stable token in its last 5 minutes only (getStableAccessToken). */
const STABLE_WINDOW = 300_000

const ACCOUNT_OPTIONS: readonly string[] = [
  'appId', 'appSecret', 'endpoint', 'baseUrl', 'refreshAhead', 'retry', 'timeout', 'proxy', 'onStoreDown',
] satisfies (keyof AccountOptions)[] // prettier-ignore
const NAMED_ACCOUNT_OPTIONS: readonly string[] = ['id', ...ACCOUNT_OPTIONS]
const OPTIONS: readonly string[] = [
  ...ACCOUNT_OPTIONS,
  ...([
    'accounts',
    'store',
    'startTimeout',
    'signal',
    'workerUrl',
    'logger',
  ] satisfies (keyof TokenThreadOptions)[]),
]

/** @throws TokenThreadError `ERR_OPTIONS`, which names the option and the mend */
export function readConfig(options: unknown, env: Environment): Config {
  const fields = fieldsOf(options, '', OPTIONS)
  const accounts: Config['accounts'] = fields.accounts === undefined ? [single(fields, env)] : several(fields)
  const store = readStore(fields.store)
  if (store.kind !== 'memory') accounts.forEach(checkLease)
  return {
    accounts,
    store,
    startTimeout: check.duration(fields.startTimeout, 'startTimeout', DEFAULTS.startTimeout),
    signal: check.signal(fields.signal, 'signal'),
    workerUrl: workerUrlOf(fields.workerUrl),
    logger: check.logger(fields.logger, 'logger') ?? defaultLogger(),
  }
}

function single(fields: Fields, env: Environment): AccountConfig {
  const appId = fields.appId === undefined ? env.WECHAT_APPID : fields.appId
  const appSecret = fields.appSecret === undefined ? secretIn(env) : fields.appSecret
  return account({ ...fields, appId, appSecret }, '', {})
}

function several(fields: Fields): Config['accounts'] {
  const list: unknown = fields.accounts
  if (!Array.isArray(list))
    throw optionError('accounts must be an array of accounts, as in [{ id, appId, appSecret }]')
  for (const name of ['appId', 'appSecret']) {
    if (fields[name] !== undefined) {
      throw optionError(
        `${name} stands beside accounts: give each account its own ${name} in accounts, or leave accounts out`,
      )
    }
  }
  const accounts = list.map((entry: unknown, i) => {
    const path = `accounts[${i}].`
    return account(fieldsOf(entry, path, NAMED_ACCOUNT_OPTIONS), path, fields)
  })
  const ids = accounts.map(({ id }) => id)
  const repeated = ids.find((id, i) => ids.indexOf(id) !== i)
  if (repeated !== undefined)
    throw optionError(`accounts has the id ${repeated} twice: give each account an id of its own`)
  const [first, ...rest] = accounts
  if (!first) throw optionError('accounts is empty: give at least one account')
  return [first, ...rest]
}

/** One account; what it does not say is taken from `common`, the options given for all. */
function account(own: Fields, path: string, common: Fields): AccountConfig {
  const pick = (name: keyof NamedAccountOptions): unknown =>
    own[name] === undefined ? common[name] : own[name]
  const appId = credential(own.appId, `${path}appId`, 'WECHAT_APPID')
  const endpoint = check.oneOf<Endpoint>(
    pick('endpoint'),
    `${path}endpoint`,
    ['stable', 'classic'],
    DEFAULTS.endpoint,
  )
  const ownRetry = retryOf(own.retry, `${path}retry.`)
  const commonRetry = retryOf(common.retry, 'retry.')
  const minDelay = check.duration(
    ownRetry.minDelay ?? commonRetry.minDelay,
    `${path}retry.minDelay`,
    DEFAULTS.minDelay,
  )
  return {
    id: check.text(own.id, `${path}id`) ?? appId,
    appId,
    appSecret: credential(own.appSecret, `${path}appSecret`, 'WECHAT_APPSECRET (or WECHAT_APPSECRET_FILE)'),
    endpoint,
    baseUrls: baseUrlsOf(pick('baseUrl'), `${path}baseUrl`),
    refreshAhead: refreshAheadOf(pick('refreshAhead'), `${path}refreshAhead`, endpoint),
    retry: {
      minDelay,
      maxDelay: maxDelayOf(ownRetry.maxDelay ?? commonRetry.maxDelay, `${path}retry.maxDelay`, minDelay),
    },
    timeout: check.duration(pick('timeout'), `${path}timeout`, DEFAULTS.timeout),
    proxy: proxyOf(pick('proxy'), `${path}proxy`),
    onStoreDown: check.oneOf<OnStoreDown>(
      pick('onStoreDown'),
      `${path}onStoreDown`,
      ['refreshAlone', 'wait'],
      endpoint === 'stable' ? 'refreshAlone' : 'wait',
    ),
  }
}

/** A node that dies in a refresh is replaced when its lease ends: that must be before the token does. */
function checkLease({ id, timeout, refreshAhead }: AccountConfig): void {
  const lease = leaseOf(timeout)
  if (lease < refreshAhead) return
  throw optionError(
    `timeout is ${timeout} for account ${id}: with a store a refresh holds a lease of ${lease} ms (a quarter more), which must ` +
      `be less than refreshAhead (${refreshAhead}): lower timeout, or raise refreshAhead`,
  )
}

function retryOf(value: unknown, path: string): Fields {
  return value === undefined ? {} : fieldsOf(value, path, ['minDelay', 'maxDelay'])
}

function credential(value: unknown, path: string, variable: string): string {
  const how = path.includes('.') ? `give it in ${path}` : `pass { ${path} } or set ${variable}`
  if (value === undefined || value === null) throw optionError(`${path} is missing: ${how}`)
  if (value === '') throw optionError(`${path} is empty: ${how}`)
  if (typeof value !== 'string') throw optionError(`${path} must be a string, not ${typeof value}: ${how}`)
  return value
}

function secretIn(env: Environment): string | undefined {
  const file = env.WECHAT_APPSECRET_FILE
  const given = env.WECHAT_APPSECRET
  if (file === undefined || file === '' || (given !== undefined && given !== '')) return given
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw optionError(
      `appSecret can't be read: WECHAT_APPSECRET_FILE names a file that does not open (${messageOf(error)})`,
    )
  }
}

function refreshAheadOf(value: unknown, path: string, endpoint: Endpoint): number {
  const refreshAhead = check.duration(value, path, DEFAULTS.refreshAhead)
  if (endpoint === 'stable' && refreshAhead > STABLE_WINDOW) {
    throw optionError(
      `${path} is ${refreshAhead}, more than ${STABLE_WINDOW}: the stable endpoint renews a token in its last 5 minutes only`,
    )
  }
  return refreshAhead
}

function maxDelayOf(value: unknown, path: string, minDelay: number): number {
  // A floor above the default ceiling is a wish for slow retries, no mistake.
  const maxDelay = check.duration(value, path, Math.max(DEFAULTS.maxDelay, minDelay))
  if (maxDelay < minDelay)
    throw optionError(`${path} is ${maxDelay}, less than minDelay (${minDelay}): raise it`)
  return maxDelay
}

function baseUrlsOf(value: unknown, path: string): readonly string[] {
  if (value === undefined) return baseUrlsOf(DEFAULTS.baseUrl, path)
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (list.length === 0) throw optionError(`${path} is an empty list: give at least one URL, or leave it out`)
  const urls = list.map((entry, i) => {
    const where = Array.isArray(value) ? `${path}[${i}]` : path
    const url = check.url(entry, where, ['https:', 'http:'])
    if (url.username !== '' || url.password !== '') throw optionError(`${where} must not hold credentials`)
    if (url.search !== '' || url.hash !== '')
      throw optionError(`${where} must not have a query or a fragment: leave it out`)
    return url.href
  })
  return [...new Set(urls)]
}

/** The message never shows the value: it may hold a password. */
function proxyOf(value: unknown, path: string): string | undefined {
  if (value === undefined) return undefined
  const url = check.url(value, path, ['http:', 'https:'], 'hide')
  try {
    decodeURIComponent(url.username)
    decodeURIComponent(url.password)
  } catch {
    throw optionError(`${path} has credentials with a stray %: percent-encode them`)
  }
  return url.href
}

function workerUrlOf(value: unknown): URL | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'string' && isAbsolute(value)) return pathToFileURL(value)
  const url = check.url(value, 'workerUrl', ['file:'])
  try {
    fileURLToPath(url)
  } catch (error) {
    throw optionError(`workerUrl names no local file: ${messageOf(error)}`)
  }
  return url
}
