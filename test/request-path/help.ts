import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { RequestSide } from '../../src/index.js'
import { type FakeTokens, type FakeTokensOptions, fakeTokens } from '../../testing/index.js'
import { cleanUp } from '../support/cleanup.js'

/** A request as the API saw it. */
export interface Seen {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly path: string
  readonly token: string | null
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface Api {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  readonly seen: Seen[]
}

export type Answer = (seen: Seen, response: ServerResponse, request: IncomingMessage) => void

/** An API on a port of its own that answers as the test says. */
export async function api(answer: Answer): Promise<Api> {
  const seen: Seen[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const url = request.url ?? ''
      const { pathname, searchParams } = new URL(url, 'http://api')
      const one: Seen = {
        method: request.method ?? '',
        url,
        path: pathname,
        token: searchParams.get('access_token'),
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      }
      seen.push(one)
      answer(one, response, request)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanUp(() => {
    server.closeAllConnections()
    server.close()
  })
  const address: AddressInfo | string | null = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  return { url: `http://127.0.0.1:${address.port}`, seen }
}

export const REFUSAL = '{"errcode":40001,"errmsg":"invalid credential, rid: 1-2-3"}'
export const OK = '{"errcode":0,"errmsg":"ok"}'

/** As WeChat: the first token is refused, by a code in a 200 answer. */
export const refusesFirst: Answer = (seen, response) => {
  response.end(seen.token === 'fake-token-1' ? REFUSAL : OK)
}

/** Tokens whose account's API is there. */
export function tokensFor(
  origins: readonly string[],
  side: Partial<RequestSide> = {},
  more: FakeTokensOptions = {},
): FakeTokens {
  const requestSide: RequestSide = {
    place: { in: 'query', name: 'access_token' },
    refused: { statuses: [], field: 'errcode', codes: [40001, 40014, 42001] },
    origins,
    except: ['/cgi-bin/token', '/sns/'],
    ...side,
  }
  return fakeTokens({ requestSide, ...more })
}

/** A promise and its resolver, for a test that waits for an event. */
export function event<T = void>(): { readonly came: Promise<T>; readonly come: (value: T) => void } {
  let come: (value: T) => void = () => undefined
  const came = new Promise<T>((resolve) => (come = resolve))
  return { came, come }
}
