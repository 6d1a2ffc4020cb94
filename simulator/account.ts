import { type Refusal, refusal } from './answers.js'
import { plainIp } from './errcodes.js'
import type { IssuedTokens } from './issued.js'
import { Issuer } from './issuer.js'
import type { Lives } from './lives.js'
import type { AccountSettings, Settings } from './options.js'
import { Tickets } from './tickets.js'

/** One account: who may ask for its tokens, and what it has given out. */
export interface Account {
  readonly appId: string
  secret: string
  readonly frozen: boolean
  readonly allowedIps: readonly string[] | undefined
  readonly issuer: Issuer
  readonly tickets: Tickets
}

/** A test account's classic fetches a day. */
const testAccountLimit = 200

export function createAccount(
  { appId, appSecret, allowedIps, testAccount, frozen }: AccountSettings,
  settings: Settings,
  issued: IssuedTokens,
  lives: () => Lives,
): Account {
  const limits = {
    daily: testAccount ? Math.min(testAccountLimit, settings.dailyLimit) : settings.dailyLimit,
    stableDaily: settings.stableDailyLimit,
    minute: settings.minuteLimit,
    forcedDaily: settings.forcedDailyLimit,
  }
  const { forcedCallRetires } = settings
  return {
    appId,
    secret: appSecret,
    frozen,
    allowedIps: allowedIps?.map(plainIp),
    issuer: new Issuer(appId, issued, { lives, limits, forcedCallRetires }),
    tickets: new Tickets(),
  }
}

/** What a call shows to prove that it may act for an account. */
export interface Credentials {
  readonly appId: unknown
  readonly secret: unknown
  readonly callerIp: string
}

const given = (value: unknown): value is string => typeof value === 'string' && value !== ''

/** Whether something is missing in the credentials: asked before all else. */
export function missing({ appId, secret, callerIp }: Credentials): Refusal | undefined {
  if (!given(appId)) return refusal(41002, callerIp)
  return given(secret) ? undefined : refusal(41004, callerIp)
}

/** The account with these credentials, or why it can't be used. `wrongSecret` differs between the endpoints. */
export function admit(
  accounts: ReadonlyMap<string, Account>,
  { appId, secret, callerIp }: Credentials,
  wrongSecret: 40001 | 40125,
): Account | Refusal {
  const account = given(appId) ? accounts.get(appId) : undefined
  if (!account) return refusal(40013, callerIp)
  if (account.secret !== secret) return refusal(wrongSecret, callerIp)
  if (account.frozen) return refusal(40243, callerIp)
  if (account.allowedIps && !account.allowedIps.includes(plainIp(callerIp))) return refusal(40164, callerIp)
  return account
}
