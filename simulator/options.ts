import {
  type Reader,
  SimulatorInputError,
  fieldsOf,
  flag,
  listOf,
  numberFrom,
  optional,
  text,
  wholeFrom,
} from './checks.js'

/** One account that the simulator knows. */
export interface SimulatedAccount {
  /** The AppID, any non-empty string. */
  appId: string
  /** The AppSecret, any non-empty string. */
  appSecret: string
  /** Addresses that may ask for tokens; others get errcode 40164. Default: every address. */
  allowedIps?: readonly string[]
  /** A test account has 200 classic fetches a day instead of `dailyLimit`. Default: false. */
  testAccount?: boolean
  /** A frozen AppSecret: token calls get errcode 40243. Default: false. */
  frozen?: boolean
}

/**
 * How the simulated WeChat behaves. Durations are SECONDS, as in the API's own answers; fractions are
 * allowed, so that a test can live through many rotations in a second. Defaults are what WeChat's pages for
 * getAccessToken and getStableAccessToken say.
 */
export interface SimulatorOptions {
  /** The accounts, at least one. */
  accounts: readonly SimulatedAccount[]
  /** Life of a new token in seconds, 0.01 to 10^9. Default: 7200. */
  expiresIn?: number
  /** A normal stable call brings a new token only in the last so many seconds. Default: expiresIn / 24 (300 at 7200). */
  renewalWindow?: number
  /** So many seconds a retired token works beside the new one. Default: expiresIn / 24 (300 at 7200). */
  overlap?: number
  /** Forced calls less than so many seconds apart don't refresh. Default: expiresIn / 240 (30 at 7200). */
  forceFloor?: number
  /** Classic fetches a day before errcode 45009; the day turns at midnight, UTC+8. Default: 2000. */
  dailyLimit?: number
  /** Stable calls a day before errcode 45009. Default: 500,000. */
  stableDailyLimit?: number
  /** Stable calls in one minute of the clock before errcode 45011. Default: 10,000. */
  minuteLimit?: number
  /** Forced calls a day that may refresh; more get errcode 45009. Default: 20. */
  forcedDailyLimit?: number
  /**
   * True: a forced call retires the old token at once; false: it gets the overlap. WeChat's page says both.
   * Default: true.
   */
  forcedCallRetires?: boolean
  /** Answers gzipped whatever the request's Accept-Encoding says, as was seen. Default: false. */
  gzip?: boolean
  /** Where to listen: loopback only, because the control interface has no lock. Default: `'127.0.0.1'`. */
  host?: string
  /** The port, 0 for any free one. Default: 0. */
  port?: number
  /** The simulator's clock in ms since 1970. Injected delays don't use it. Default: `Date.now`. */
  now?: () => number
}

/** The options as read, with each default filled in but those that depend on `expiresIn` (see lives.ts). */
export interface Settings {
  readonly accounts: readonly AccountSettings[]
  readonly expiresIn: number
  readonly renewalWindow: number | undefined
  readonly overlap: number | undefined
  readonly forceFloor: number | undefined
  readonly dailyLimit: number
  readonly stableDailyLimit: number
  readonly minuteLimit: number
  readonly forcedDailyLimit: number
  readonly forcedCallRetires: boolean
  readonly gzip: boolean
  readonly host: string
  readonly port: number
  readonly now: () => number
}

export interface AccountSettings {
  readonly appId: string
  readonly appSecret: string
  readonly allowedIps: readonly string[] | undefined
  readonly testAccount: boolean
  readonly frozen: boolean
}

/** Life of a token, in seconds. */
export const readExpiresIn = numberFrom(0.01, 1e9)
const readSeconds = optional(numberFrom(0, 1e9))
const readLimit = optional(wholeFrom(0, 1e9))
const readFlag = optional(flag)

const readHost: Reader<string> = (field, value) => {
  const host = text(field, value)
  if (host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)) return host
  throw new SimulatorInputError(field, "must be loopback: '127.0.0.1', 'localhost' or '::1'")
}

const isClock = (value: unknown): value is () => number => typeof value === 'function'

const readClock: Reader<() => number> = (field, value) => {
  if (!isClock(value)) throw new SimulatorInputError(field, 'must be a function that returns milliseconds')
  return value
}

const readAccount: Reader<AccountSettings> = (field, value) => {
  const known = ['appId', 'appSecret', 'allowedIps', 'testAccount', 'frozen']
  const given = fieldsOf(field, value, known)
  return {
    appId: text(`${field}.appId`, given.appId),
    appSecret: text(`${field}.appSecret`, given.appSecret),
    allowedIps: optional(listOf(text))(`${field}.allowedIps`, given.allowedIps),
    testAccount: readFlag(`${field}.testAccount`, given.testAccount) ?? false,
    frozen: readFlag(`${field}.frozen`, given.frozen) ?? false,
  }
}

const readAccounts: Reader<AccountSettings[]> = (field, value) => {
  const accounts = listOf(readAccount)(field, value)
  if (accounts.length === 0) throw new SimulatorInputError(field, 'must hold at least one account')
  const seen = new Set<string>()
  for (const { appId } of accounts) {
    if (seen.has(appId))
      throw new SimulatorInputError(field, `has the AppID ${appId} twice: give each its own`)
    seen.add(appId)
  }
  return accounts
}

const known = [
  ...['accounts', 'expiresIn', 'renewalWindow', 'overlap', 'forceFloor', 'dailyLimit', 'stableDailyLimit'],
  ...['minuteLimit', 'forcedDailyLimit', 'forcedCallRetires', 'gzip', 'host', 'port', 'now'],
]

export function readOptions(options: unknown): Settings {
  const given = fieldsOf('options', options, known)
  return {
    accounts: readAccounts('accounts', given.accounts),
    expiresIn: optional(readExpiresIn)('expiresIn', given.expiresIn) ?? 7200,
    renewalWindow: readSeconds('renewalWindow', given.renewalWindow),
    overlap: readSeconds('overlap', given.overlap),
    forceFloor: readSeconds('forceFloor', given.forceFloor),
    dailyLimit: readLimit('dailyLimit', given.dailyLimit) ?? 2000,
    stableDailyLimit: readLimit('stableDailyLimit', given.stableDailyLimit) ?? 500_000,
    minuteLimit: readLimit('minuteLimit', given.minuteLimit) ?? 10_000,
    forcedDailyLimit: readLimit('forcedDailyLimit', given.forcedDailyLimit) ?? 20,
    forcedCallRetires: readFlag('forcedCallRetires', given.forcedCallRetires) ?? true,
    gzip: readFlag('gzip', given.gzip) ?? false,
    host: optional(readHost)('host', given.host) ?? '127.0.0.1',
    port: optional(wholeFrom(0, 65_535))('port', given.port) ?? 0,
    now: optional(readClock)('now', given.now) ?? Date.now,
  }
}
