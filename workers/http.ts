import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'
import { Client, type Dispatcher, ProxyAgent } from 'undici'
import type { Cancel, Clock } from '../src/clock.js'
import type { AddressBook } from './addresses.js'
import type { HttpAnswer, TokenRequest } from './providers/provider.js'

/** One HTTP exchange on a connection of its own: a token call is rare, and no stale kept-alive socket can spoil it. */

/** Bytes of a body that are read, and that it may inflate to: a huge `JSON.parse` can abort the whole process. */
const LONGEST_BODY = 64 * 1024

export interface Exchange {
  readonly request: TokenRequest
  readonly baseUrl: string
  readonly proxy: string | undefined
  readonly addresses: AddressBook
  readonly clock: Clock
  /** ms to connect in, of the ms for all of it */
  readonly connectTimeout: number
  readonly timeout: number
  readonly signal: AbortSignal
}

/** Why there is no answer. Only one that was not `sent` may be tried on another host within the same call. */
export class ExchangeError extends Error {
  readonly reason: 'connection' | 'timeout' | 'answer' | 'aborted'
  readonly sent: boolean

  constructor(reason: ExchangeError['reason'], message: string, sent: boolean) {
    super(message)
    this.reason = reason
    this.sent = sent
  }
}

export async function exchange(x: Exchange): Promise<HttpAnswer> {
  const url = new URL(x.baseUrl)
  const dispatcher = open(url, x)
  const timers: Cancel[] = []
  let sent = false
  try {
    return await new Promise<HttpAnswer>((resolve, reject) => {
      const fail = (reason: ExchangeError['reason'], message: string): void =>
        reject(new ExchangeError(reason, message, sent))
      const aborted = (): void => fail('aborted', 'the TokenThread was closed')
      if (x.signal.aborted) return aborted()
      x.signal.addEventListener('abort', aborted, { once: true })
      timers.push(
        () => x.signal.removeEventListener('abort', aborted),
        x.clock.timer(
          x.connectTimeout,
          () => sent || fail('connection', `no connection within ${Math.round(x.connectTimeout)} ms`),
        ),
        x.clock.timer(x.timeout, () => fail('timeout', `no answer within ${Math.round(x.timeout)} ms`)),
      )
      dispatcher.dispatch(
        {
          origin: url.origin,
          path: `${url.pathname.replace(/\/$/, '')}${x.request.path}`,
          method: x.request.method,
          headers: { accept: 'application/json', ...x.request.headers },
          body: x.request.body ?? null,
          headersTimeout: 0,
          bodyTimeout: 0,
        },
        new Collector({
          onSent: () => (sent = true),
          onAnswer: (answer) => {
            try {
              resolve({ ...answer, body: inflate(answer) })
            } catch {
              fail(
                'answer',
                `the body’s ${answer.headers['content-encoding'] ?? 'gzip'} encoding is damaged or inflates beyond ${LONGEST_BODY} bytes`,
              )
            }
          },
          onTooLong: () => fail('answer', `the body is longer than ${LONGEST_BODY} bytes`),
          onError: (error) => fail(sent ? 'answer' : 'connection', describe(error)),
        }),
      )
    })
  } finally {
    for (const cancel of timers) cancel()
    // Destroyed, not closed: an endless body or a connection still being made must not outlive the call.
    void dispatcher.destroy()
  }
}

function open(url: URL, { proxy, addresses, connectTimeout }: Exchange): Dispatcher {
  // Ours is on the injected clock; undici's destroys a socket that is still connecting, which `destroy` does not.
  const timeout = Math.ceil(connectTimeout)
  const connect = { lookup: addresses.lookup, timeout }
  return proxy === undefined
    ? new Client(url.origin, { connect })
    : new ProxyAgent({ uri: proxy, proxyTls: connect, requestTls: { timeout } })
}

interface Events {
  onSent(): void
  onAnswer(answer: HttpAnswer): void
  onTooLong(): void
  onError(error: Error): void
}

/** Reads one bounded answer. */
class Collector implements Dispatcher.DispatchHandler {
  readonly #events: Events
  readonly #chunks: Buffer[] = []
  #length = 0
  #status = 0
  #headers: Record<string, string> = {}

  constructor(events: Events) {
    this.#events = events
  }

  /** undici calls this when it writes the request to a connected socket. */
  onRequestStart(): void {
    this.#events.onSent()
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#status = status
    this.#headers = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, String(value ?? '')]),
    )
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#length += chunk.length
    if (this.#length > LONGEST_BODY) return this.#events.onTooLong()
    this.#chunks.push(chunk)
  }

  onResponseEnd(): void {
    this.#events.onAnswer({ status: this.#status, headers: this.#headers, body: Buffer.concat(this.#chunks) })
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#events.onError(error)
  }
}

/** In this thread: the asynchronous zlib waits for libuv's pool. */
function inflate({ headers, body }: HttpAnswer): Buffer {
  const options = { maxOutputLength: LONGEST_BODY }
  const encoding = headers['content-encoding']?.trim().toLowerCase() ?? ''
  if (encoding === 'br') return brotliDecompressSync(body, options)
  if (encoding === 'deflate') return inflateSync(body, options)
  // Gzip is also seen without its header.
  if (encoding.endsWith('gzip') || (body[0] === 0x1f && body[1] === 0x8b)) return gunzipSync(body, options)
  return body
}

/** Names the system's error; undici's messages hold no URL, an AggregateError has no message at all. */
function describe(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name
  const causes =
    error instanceof AggregateError
      ? error.errors.map((e: unknown) => (e instanceof Error ? e.message : ''))
      : [error.message]
  return `${code}: ${causes.join('; ')}`
}
