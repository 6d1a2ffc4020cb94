import { createServer, type Server } from 'node:http'
import type { TokenReader } from '../src/index.js'
import type { HandlerPool } from './pool.js'
import type { Tally } from './tally.js'

/** An ordinary server: each request reads the token, synchronously, and calls WeChat with it; pages are signed on the pool. */
export function createShop(tokens: TokenReader, pool: HandlerPool, wechat: string, tally: Tally): Server {
  return createServer((request, response) => {
    const answer = request.url === '/page' ? signPage(pool, tally) : callWechat(tokens, wechat, tally)
    answer.then(
      (body) => response.end(body),
      (error: unknown) => response.writeHead(503).end(String(error)),
    )
  })
}

/** A JS-SDK page: its handler reads the token in the pool's thread. */
async function signPage(pool: HandlerPool, tally: Tally): Promise<string> {
  tally.reads += 1
  const { status, body } = await pool.run({ kind: 'page', url: 'https://shop.example/', openid: 'demo' })
  if (status === 503) tally.stalled += 1
  if (status !== 200) throw new Error(body)
  return body
}

/** WeChat's `getcallbackip`: the simplest call that needs a token. */
export async function callWechat(tokens: TokenReader, wechat: string, tally: Tally): Promise<string> {
  tally.reads += 1
  const token = tokens.current
  if (!token) {
    tally.stalled += 1
    return '{"error":"no valid token"}'
  }
  if (token.expiresAt <= Date.now()) tally.expiredReads += 1
  const url = new URL('/cgi-bin/getcallbackip', wechat)
  url.searchParams.set('access_token', token.accessToken)
  const response = await fetch(url)
  const body = await response.text()
  if (/"errcode":(40001|40014|42001)\b/.test(body)) {
    tally.refused += 1
    await tokens.reject(token.accessToken)
  }
  return body
}
