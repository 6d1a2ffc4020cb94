import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Arrival, FromTokenServer, ToTokenServer } from './token-server.js'

/** The process that `startOauthServer` starts. */

const { values } = parseArgs({
  options: {
    'expires-in': { type: 'string', default: '3600' },
    'token-call': { type: 'string', default: '0' },
  },
})
const expiresIn = Number(values['expires-in'])
const tokenCall = Number(values['token-call'])

const arrivals: Arrival[] = []
let live = new Set<string>()
let issued = 0

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Not signed: those who look into it only want to know when it ends. */
function newToken(): string {
  const exp = Date.now() / 1000 + expiresIn
  const token = `${base64url({ alg: 'none', typ: 'JWT' })}.${base64url({ exp, jti: String(++issued) })}.`
  live.add(token)
  return token
}

/** The challenge that Microsoft's servers send when a token no longer holds, and that their clients answer by a new one. */
const CHALLENGE = `Bearer error="insufficient_claims", claims="${Buffer.from('{}').toString('base64')}"`

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.setHeader('content-type', 'application/json')
  if (request.url !== '/token') {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
    if (token === undefined || !live.has(token)) {
      response.writeHead(401, { 'www-authenticate': CHALLENGE }).end('{}')
    } else response.end('{"ok":true}')
    return
  }
  request.resume()
  await once(request, 'end')
  arrivals.push({ appId: '', at: Date.now() })
  await sleep(tokenCall)
  const token = {
    access_token: newToken(),
    token_type: 'Bearer',
    expires_in: expiresIn,
  }
  response.end(JSON.stringify(token))
}

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy())
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')

const say = (message: FromTokenServer): void => {
  process.send?.(message)
}
process.on('message', (message: ToTokenServer) => {
  if (message === 'revoke') live = new Set()
  say({ type: 'report', arrivals })
})
process.on('disconnect', () => process.exit())
const address = server.address()
const port = typeof address === 'object' ? (address?.port ?? 0) : 0
say({ type: 'listening', url: `http://127.0.0.1:${port}` })
