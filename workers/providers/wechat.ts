import type { Failure } from '../../src/errors.js'
import { withoutSecrets } from '../../src/errors.js'
import type { AccountConfig } from '../../src/protocol.js'
import { grantOf, objectOf, unusable } from './grant.js'
import type { Grant, HttpAnswer, Provider, Refusal } from './provider.js'
import { ERRCODES } from './wechat-errcodes.js'

/** What WeChat's two token endpoints share: the answer, and how a request carries the token. */

/** The day turns at midnight, UTC+8. */
export const WECHAT_DAY_OFFSET = 8 * 60

/**
 * 40001: invalid or not the latest; 40014: invalid; 42001: expired. Others are not about the token. What is below `/sns/`
 * takes a user's token or the secret, and the token calls take the secret: a 40001 of theirs says nothing of our token.
 */
export const WECHAT_REQUEST_SIDE: Provider['requestSide'] = {
  place: { in: 'query', name: 'access_token' },
  refused: { statuses: [], field: 'errcode', codes: [40001, 40014, 42001] },
  except: ['/cgi-bin/token', '/cgi-bin/stable_token', '/cgi-bin/clear_quota/v2', '/sns/'],
}

/** The longest part of an errmsg that is shown. */
const LONGEST_ERRMSG = 300

/** WeChat answers 200 in both cases: only the body tells. */
export function readWechat(answer: HttpAnswer, account: AccountConfig): Grant | Refusal {
  if (answer.status >= 300 && answer.status < 400) return unusable(`a redirect (HTTP ${answer.status})`)
  const read = objectOf(answer.body)
  if (!read.ok) return answer.status === 200 ? read.refusal : unusable(`HTTP ${answer.status}`)
  const { errcode, errmsg, access_token, expires_in } = read.fields
  if (typeof errcode === 'number' && errcode !== 0) return refused(errcode, errmsg, account)
  if (answer.status !== 200) return unusable(`HTTP ${answer.status}`)
  return grantOf(access_token, expires_in, 'access_token', 'expires_in')
}

function refused(errcode: number, errmsg: unknown, account: AccountConfig): Refusal {
  const known = ERRCODES.get(errcode)
  const wait = known?.wait ?? { why: 'backoff' }
  // It may quote the request, and the request holds the secret.
  const said = typeof errmsg === 'string' ? withoutSecrets(errmsg, [account.appSecret]) : ''
  const rid = /\brid:\s*([\w-]{1,64})/.exec(said)?.[1]
  const shown = said
    .replace(/[^\x20-\x7e]+/g, ' ')
    .slice(0, LONGEST_ERRMSG)
    .trim()
  const failure: Failure = {
    code: 'ERR_ISSUER_REFUSED',
    message:
      `WeChat refused the token call: errcode ${errcode}, ` +
      (known
        ? `${known.meaning}${ipOf(errcode, said)}. ${known.mend}`
        : 'which is not known here. It is tried again by itself') +
      (shown === '' ? '.' : ` (errmsg: ${shown}).`),
    retryable: wait.why !== 'operator',
    errcode,
    ...(rid !== undefined && { rid }),
  }
  return { granted: false, failure, wait }
}

/** 40164's errmsg holds the address that WeChat saw: `invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist`. */
function ipOf(errcode: number, errmsg: string): string {
  if (errcode !== 40164 && errcode !== 61004) return ''
  const ip = /\bip\s+([0-9a-fA-F.:]{2,45})/.exec(errmsg)?.[1]
  return ip === undefined ? '' : ` (the IP is ${ip})`
}
