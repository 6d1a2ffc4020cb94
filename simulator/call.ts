import type { IncomingMessage } from 'node:http'
import { isRecord } from './checks.js'

/** `token` and `stable_token` are the token calls, the others use a token; `quota` is clear_quota. */
export type CallKind = 'token' | 'stable_token' | 'api' | 'ticket' | 'quota'

/** A request as the routes read it. */
export interface Call {
  readonly kind: CallKind
  /** The path alone: the query holds secrets and tokens. */
  readonly path: string
  readonly method: string
  readonly query: URLSearchParams
  /** The body as a JSON object; undefined when it is none. */
  readonly json: Readonly<Record<string, unknown>> | undefined
  readonly callerIp: string
  /** A stable call with `force_refresh: true`. */
  readonly forced: boolean
  /** The account the call is about, as far as the call itself or its token tells. */
  readonly appId: string | undefined
}

const kinds: Readonly<Record<string, CallKind>> = {
  '/cgi-bin/token': 'token',
  '/cgi-bin/stable_token': 'stable_token',
  '/cgi-bin/ticket/getticket': 'ticket',
  '/cgi-bin/clear_quota': 'quota',
  '/cgi-bin/clear_quota/v2': 'quota',
}

/** `ownerOf` tells the AppID that a token was given to. */
export function readCall(
  req: IncomingMessage,
  url: URL,
  body: string,
  ownerOf: (accessToken: string) => string | undefined,
): Call {
  const json = readJson(body)
  const kind = kinds[url.pathname] ?? 'api'
  const accessToken = url.searchParams.get('access_token')
  const named = json?.appid ?? url.searchParams.get('appid')
  return {
    kind,
    path: url.pathname,
    method: req.method ?? 'GET',
    query: url.searchParams,
    json,
    callerIp: req.socket.remoteAddress ?? '127.0.0.1',
    forced: kind === 'stable_token' && json?.force_refresh === true,
    appId: accessToken !== null ? ownerOf(accessToken) : typeof named === 'string' ? named : undefined,
  }
}

function readJson(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(body)
    return isRecord(parsed) ? parsed : undefined
  } catch {
    // Not JSON: WeChat's own answer to that is "appid missing", so it is no error here.
    return undefined
  }
}

const maxBody = 1024 * 1024

/** The whole body, or undefined when the client left or sent more than 1 MB. */
export async function readBody(req: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    const incoming: AsyncIterable<unknown> = req
    for await (const chunk of incoming) {
      if (!Buffer.isBuffer(chunk)) continue
      size += chunk.length
      if (size > maxBody) return undefined
      chunks.push(chunk)
    }
  } catch {
    // The client left in the middle of its request: nobody waits for an answer.
    return undefined
  }
  return Buffer.concat(chunks).toString('utf8')
}
