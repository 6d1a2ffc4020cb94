import type { Wait } from './provider.js'

/**
 * The errcodes of WeChat's token calls: what each means and what mends it.
 * Source: the API pages of getAccessToken and getStableAccessToken, and WeChat's global return codes.
 */
export interface Errcode {
  readonly meaning: string
  readonly mend: string
  readonly wait: Wait
}

const MINUTE = 60_000
const HOUR = 3_600_000

const operator = (meaning: string, mend: string, ms = MINUTE): Errcode => ({
  meaning,
  mend,
  wait: { why: 'operator', ms },
})
const ourBug = (meaning: string): Errcode =>
  operator(
    meaning,
    'This is a bug of token-thread, or baseUrl leads to something that is not WeChat: please report it',
  )

const WRONG_SECRET = operator(
  'wrong AppSecret',
  'Copy the AppSecret of this AppID again from the WeChat console; it may have been reset',
)
const IP_NOT_ALLOWED = operator(
  'this IP is not on the allow list',
  'Add the IP to the allow list in the WeChat console; the change takes about 5 minutes',
)
const IP_UNCONFIRMED = operator(
  'an administrator must confirm this IP',
  'Ask the administrator to confirm it in WeChat',
)

export const ERRCODES: ReadonlyMap<number, Errcode> = new Map([
  [-1, { meaning: 'system busy', mend: 'It is tried again by itself', wait: { why: 'backoff' } }],
  [40001, WRONG_SECRET],
  [40125, WRONG_SECRET],
  [40002, ourBug('wrong grant_type')],
  [43002, ourBug('not a POST')],
  [41002, ourBug('appid missing')],
  [41004, ourBug('secret missing')],
  [
    40013,
    operator('wrong AppID', 'Check appId (WECHAT_APPID): it begins with wx and belongs to this account'),
  ],
  [40164, IP_NOT_ALLOWED],
  [61004, IP_NOT_ALLOWED],
  [40243, operator('AppSecret frozen', 'Thaw it in the WeChat console; that takes 10 minutes')],
  [61024, operator('the AppID is a third-party platform’s component', 'Use the AppID of the account itself')],
  [
    45009,
    {
      meaning: 'daily limit of token calls reached',
      mend: 'It is tried again when the day turns (UTC+8)',
      wait: { why: 'limit', ms: 'day' },
    },
  ],
  [
    45011,
    {
      meaning: 'too many token calls in this minute',
      mend: 'It is tried again in a minute',
      wait: { why: 'limit', ms: MINUTE },
    },
  ],
  [50004, operator('the account is barred', 'See the notice in the WeChat console')],
  [50007, operator('the account is frozen', 'See the notice in the WeChat console')],
  [89501, IP_UNCONFIRMED],
  [89503, IP_UNCONFIRMED],
  [
    89506,
    operator(
      'an administrator refused this IP twice',
      'Ask the administrator; it is tried again in 24 hours',
      24 * HOUR,
    ),
  ],
  [
    89507,
    operator('an administrator refused this IP', 'Ask the administrator; it is tried again in an hour', HOUR),
  ],
])
