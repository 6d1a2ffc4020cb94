import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { errmsgOf } from './errcodes.js'
import type { IssuedToken } from './issued.js'
import { inSeconds } from './lives.js'

/** What a route answers, before it is bytes. */
export type Reply =
  | { readonly outcome: 'issued' | 'unchanged' | 'ok'; readonly body: Readonly<Record<string, unknown>> }
  | Refusal

export interface Refusal {
  readonly outcome: 'refused'
  readonly errcode: number
  readonly body: Readonly<Record<string, unknown>>
  /** The HTTP status. Default: 200, as WeChat answers refusals. */
  readonly status?: number
}

export const refusal = (errcode: number, callerIp: string, errmsg?: string): Refusal => ({
  outcome: 'refused',
  errcode,
  body: { errcode, errmsg: errmsgOf(errcode, callerIp, errmsg) },
})

export const tokenReply = (outcome: 'issued' | 'unchanged', token: IssuedToken, now: number): Reply => ({
  outcome,
  body: { access_token: token.accessToken, expires_in: inSeconds(token.expiresAt - now, token.wholeSeconds) },
})

/** A body as it goes over the wire. */
export interface Encoded {
  readonly bytes: Buffer
  readonly headers: Readonly<Record<string, string | number>>
}

/** WeChat's content type says `encoding`, not `charset`. */
const contentType = 'application/json; encoding=utf-8'

export function encode(body: unknown, gzip: boolean): Encoded {
  const plain = Buffer.from(JSON.stringify(body))
  const bytes = gzip ? gzipSync(plain) : plain
  const headers = { 'content-type': contentType, 'content-length': bytes.length }
  return { bytes, headers: gzip ? { ...headers, 'content-encoding': 'gzip' } : headers }
}

export function send(res: ServerResponse, reply: Reply, gzip: boolean): void {
  const { bytes, headers } = encode(reply.body, gzip)
  const status = reply.outcome === 'refused' ? (reply.status ?? 200) : 200
  res.writeHead(status, headers).end(bytes)
}
