import { type ErrorCode, kindOf } from '../../src/errors.js'
import type { Grant, Refusal } from './provider.js'

/** Answers are not trusted: what every provider checks before it believes in a token. */

/** Longer than this is no token. WeChat says 512 characters "or more". */
const LONGEST_TOKEN = 8 * 1024
/** s. WeChat's live 7200; a year is beyond any API's. */
const LONGEST_LIFE = 366 * 86_400
/** Visible ASCII: what RFC 6749 (appendix A.12) allows a token, and what survives a URL or a header. */
const TOKEN = /^[\x21-\x7e]+$/

/** A token with its life in seconds, as the API says it, or why it can't be one. */
export function grantOf(
  accessToken: unknown,
  expiresIn: unknown,
  field: string,
  expiresField: string,
): Grant | Refusal {
  if (typeof accessToken !== 'string') return unusable(`${field} is ${kindOf(accessToken)}, not a string`)
  if (accessToken === '') return unusable(`${field} is empty`)
  if (accessToken.length > LONGEST_TOKEN)
    return unusable(`${field} is longer than ${LONGEST_TOKEN} characters`)
  if (!TOKEN.test(accessToken)) return unusable(`${field} holds characters that no token has`)
  if (typeof expiresIn !== 'number')
    return unusable(`${expiresField} is ${kindOf(expiresIn)}, not a number of seconds`)
  if (!(expiresIn > 0 && expiresIn <= LONGEST_LIFE))
    return unusable(`${expiresField} is ${expiresIn}: not a life in seconds`)
  return { granted: true, accessToken, life: expiresIn * 1000 }
}

/** What a body says, or why it says nothing. Told apart by our own tag: the body may hold any field. */
export type Read =
  | { readonly ok: true; readonly fields: Record<string, unknown> }
  | { readonly ok: false; readonly refusal: Refusal }

/** The body as a JSON object. Nothing of it is shown: it may hold a token. */
export function objectOf(body: Buffer): Read {
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch {
    const what = body.length === 0 ? 'the body is empty' : `the body (${body.length} bytes) is not JSON`
    return { ok: false, refusal: unusable(what) }
  }
  return isRecord(value)
    ? { ok: true, fields: value }
    : { ok: false, refusal: unusable(`the body is ${kindOf(value)}, not a JSON object`) }
}

export function unusable(what: string): Refusal {
  return transient('ERR_BAD_ANSWER', `the token endpoint’s answer is unusable: ${what}`)
}

export function transient(code: ErrorCode, message: string): Refusal {
  return { granted: false, failure: { code, message, retryable: true }, wait: { why: 'backoff' } }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
