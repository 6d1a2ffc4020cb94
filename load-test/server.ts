import { pbkdf2Sync } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { TokenThreadError } from '../src/index.js'
import { failedReply, type Reply, type Task, textReply } from '../workers/handler/tasks.js'
import { WechatApi } from '../workers/handler/wechat-api.js'
import type { Waits } from './waits.js'

/** Rounds of PBKDF2: some 25 ms of work in which the event loop stands still. Always the same work, so it is bounded. */
const HEAVY_ROUNDS = 40_000

/** A pool of handler threads. It finds its token itself, or is given the main thread's. */
export interface HandlerPool {
  run(task: Task): Promise<Reply>
}

/** The monolith: light and heavy handlers on the main thread, the rest on the pool. */
export function createMonolith(baseUrl: string, waits: Waits, pool: HandlerPool): Server {
  const api = new WechatApi(baseUrl)
  const inline = async (): Promise<Reply> => {
    const token = waits.take()
    // A token in hand is used in this very turn.
    const accessToken = typeof token === 'string' ? token : await token
    const answer = await api.get('/cgi-bin/getcallbackip', accessToken)
    return { status: 200, contentType: 'application/json', body: JSON.stringify(answer) }
  }
  const reply = async (request: IncomingMessage): Promise<Reply> => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://monolith')
    switch (pathname) {
      case '/':
        return inline()
      case '/report':
        pbkdf2Sync('figures of the month', 'salt', HEAVY_ROUNDS, 32, 'sha256')
        return inline()
      case '/page':
        return pool.run({ kind: 'page', url: searchParams.get('url') ?? '', openid: 'o1' })
      case '/message':
        return pool.run({
          kind: 'message',
          query: {
            msg_signature: searchParams.get('msg_signature') ?? '',
            timestamp: searchParams.get('timestamp') ?? '',
            nonce: searchParams.get('nonce') ?? '',
          },
          body: await bodyOf(request),
        })
      default:
        return textReply(404, 'no such page')
    }
  }
  return createServer((request, response) => {
    reply(request)
      .catch((error: unknown) =>
        error instanceof TokenThreadError ? textReply(503, error.message) : failed(error),
      )
      .then((said) => send(response, said, waits))
      .catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined))
  })

  function failed(error: unknown): Reply {
    waits.failed(error)
    return failedReply(error)
  }
}

function send(response: ServerResponse, { status, contentType, body }: Reply, waits: Waits): void {
  if (status !== 200) waits.failed(new Error(`${status} ${body}`))
  response.writeHead(status, { 'content-type': contentType }).end(body)
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  request.setEncoding('utf8')
  let body = ''
  for await (const chunk of request) body += String(chunk)
  return body
}
