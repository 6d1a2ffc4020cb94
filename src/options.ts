import type { Logger } from './logger.js'
import type { Endpoint, OnStoreDown } from './protocol.js'
import type { StoreOptions } from './store-options.js'

/** Options of one account; each may also be given for all, beside `accounts`. All durations are milliseconds. */
export interface AccountOptions {
  /** The account's AppID: any non-empty string. Default: `WECHAT_APPID` of the environment. */
  appId?: string | undefined
  /**
   * Its AppSecret: any non-empty string. Default: `WECHAT_APPSECRET`, or what the file named by
   * `WECHAT_APPSECRET_FILE` holds, trimmed.
   */
  appSecret?: string | undefined
  /**
   * WeChat's `stable` endpoint gives all who ask the same token; on `classic` each fetch retires the last token.
   * Default: `stable`.
   */
  endpoint?: Endpoint | undefined
  /**
   * Where the token endpoint is: one http(s) URL or several, tried in order when one does not connect.
   * Default: `https://api.weixin.qq.com`.
   */
  baseUrl?: string | readonly string[] | undefined
  /**
   * How long before its expiry a token is refreshed, ms, at least 1; at most half of the token's life is used. On `stable` at
   * most 300_000: WeChat renews no earlier. Default: 200_000.
   */
  refreshAhead?: number | undefined
  retry?: RetryOptions | undefined
  /** One token call with all it takes, ms, at least 1. Default: 10_000. */
  timeout?: number | undefined
  /** An HTTP proxy for the token calls: a URL, perhaps with credentials, which are never shown. Default: none. */
  proxy?: string | URL | undefined
  /**
   * What happens at the due time while the store can't be used. `refreshAlone`: this process refreshes by itself and
   * offers the token to the store later; on `classic` each process then retires the others' token. `wait`: the old token
   * serves to its real expiry, then reads fail. Default: `refreshAlone` on `stable`, where all get the same token; `wait` on
   * `classic`.
   */
  onStoreDown?: OnStoreDown | undefined
}

export interface RetryOptions {
  /** The least wait after a failure, and the floor between any two calls of an account; ms, at least 1. Default: 1_000. */
  minDelay?: number | undefined
  /** The longest wait after a failure that may pass by itself; ms, at least `minDelay`. Default: 60_000. */
  maxDelay?: number | undefined
}

export interface NamedAccountOptions extends AccountOptions {
  /** What `account(id)`, events and the log call it. Default: its appId. */
  id?: string | undefined
}

export interface TokenThreadOptions extends AccountOptions {
  /** Several accounts on one thread, instead of `appId` and `appSecret`. */
  accounts?: readonly NamedAccountOptions[] | undefined
  /**
   * Where tokens survive a restart and what the processes of a fleet share: `{ kind: 'file', path }`, `sqlite`, `postgres`,
   * `mysql`, `redis`, or the URL of a module that default-exports an `OpenStore`. Default: `{ kind: 'memory' }`.
   */
  store?: StoreOptions | string | URL | undefined
  /** How long `TokenThread.start` waits for the first token; ms, at least 1. Default: 30_000. */
  startTimeout?: number | undefined
  /** Aborting it closes the TokenThread; whoever waits is rejected with its reason. */
  signal?: AbortSignal | undefined
  /** The worker file, for servers bundled into one file: a file URL or an absolute path. Default: the package's own. */
  workerUrl?: string | URL | undefined
  /** Anything with `info`, `warn` and `error(fields, message)`, or false for silence. Default: pino at `info` on stderr. */
  logger?: Logger | false | undefined
}
