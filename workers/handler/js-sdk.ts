import { createHash } from 'node:crypto'
import type { WechatApi } from './wechat-api.js'

export interface PageToSign {
  readonly ticket: string
  readonly nonce: string
  /** Seconds since 1970. */
  readonly timestamp: number
  /** The page's whole URL; what follows a `#` is not signed. */
  readonly url: string
}

/** The `signature` of `wx.config`. */
export function jsSdkSignature({ ticket, nonce, timestamp, url }: PageToSign): string {
  const [page = ''] = url.split('#')
  return createHash('sha1')
    .update(`jsapi_ticket=${ticket}&noncestr=${nonce}&timestamp=${timestamp}&url=${page}`)
    .digest('hex')
}

interface HeldTicket {
  readonly ticket: string
  /** ms since 1970. */
  readonly renewAt: number
  readonly expiresAt: number
}

/** The share of what is left of its life after which a ticket is asked for again. */
const RENEW_AFTER = 0.75

/** The account's jsapi ticket: cached, one request at a time, renewed ahead of its end while the old one serves. */
export class JsapiTicket {
  readonly #api: WechatApi
  #held: HeldTicket | undefined
  #fetching: Promise<string> | undefined

  constructor(api: WechatApi) {
    this.#api = api
  }

  /** @throws WechatError */
  async get(accessToken: string): Promise<string> {
    const held = this.#held
    const now = Date.now()
    if (held && now < held.renewAt) return held.ticket
    this.#fetching ??= this.#fetch(accessToken).finally(() => (this.#fetching = undefined))
    if (!held || now >= held.expiresAt) return this.#fetching
    // The old one serves meanwhile; if this fails, the next page asks again.
    this.#fetching.catch(() => undefined)
    return held.ticket
  }

  async #fetch(accessToken: string): Promise<string> {
    const asked = Date.now()
    const answer = await this.#api.get('/cgi-bin/ticket/getticket', accessToken, { type: 'jsapi' })
    const { ticket, expires_in: seconds } = answer
    if (typeof ticket !== 'string' || typeof seconds !== 'number')
      throw new Error('WeChat answered no ticket')
    const life = seconds * 1_000
    // The same ticket may come with its whole life again: what counts is the first answer that brought it.
    const expiresAt = ticket === this.#held?.ticket ? this.#held.expiresAt : asked + life
    const renewAt = asked + (expiresAt - asked) * RENEW_AFTER
    this.#held = { ticket, renewAt, expiresAt }
    return ticket
  }
}
