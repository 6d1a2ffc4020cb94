import { request } from 'undici'
import type { Account } from './account.js'

export interface StableToken {
  readonly accessToken: string
  /** ms since 1970, counted from before the request was sent. */
  readonly expiresAt: number
}

/** One normal call of WeChat's stable endpoint. */
export async function fetchStableToken(account: Account): Promise<StableToken> {
  const sent = Date.now()
  const { body } = await request(new URL('/cgi-bin/stable_token', account.baseUrl), {
    method: 'POST',
    body: JSON.stringify({
      grant_type: 'client_credential',
      appid: account.appId,
      secret: account.appSecret,
    }),
    headers: { 'content-type': 'application/json' },
    signal: AbortSignal.timeout(account.timeout),
  })
  const answer: unknown = await body.json()
  if (typeof answer === 'object' && answer !== null && 'access_token' in answer && 'expires_in' in answer) {
    const { access_token: accessToken, expires_in: seconds } = answer
    if (typeof accessToken === 'string' && typeof seconds === 'number') {
      return { accessToken, expiresAt: sent + seconds * 1_000 }
    }
  }
  throw new Error('the token call brought no token')
}
