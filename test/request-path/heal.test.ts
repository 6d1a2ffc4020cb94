import { once } from 'node:events'
import { Readable, Writable } from 'node:stream'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { Agent, type Dispatcher, fetch, FormData, pipeline, request, stream } from 'undici'
import { describe, expect, test } from 'vitest'
import { tokenInterceptor, type TokenInterceptorOptions, TokenThreadError } from '../../src/index.js'
import type { FakeTokens } from '../../testing/index.js'
import { Token } from '../../src/token.js'
import { cleanUp } from '../support/cleanup.js'
import { keepingLogger } from '../support/log.js'
import { failureOf } from '../support/outcome.js'
import { APP_ID, simulator, threadOn } from '../support/simulated.js'
import { type Answer, type Api, api, event, OK, REFUSAL, refusesFirst, tokensFor } from './help.js'

async function setUp(
  answer: Answer,
  options: TokenInterceptorOptions = {},
  side: Parameters<typeof tokensFor>[1] = {},
): Promise<Api & { readonly tokens: FakeTokens; readonly dispatcher: Dispatcher }> {
  const there = await api(answer)
  const agent = new Agent()
  cleanUp(() => agent.destroy())
  const tokens = tokensFor([there.url], side)
  return {
    ...there,
    tokens,
    dispatcher: agent.compose(tokenInterceptor(tokens, { logger: false, ...options })),
  }
}

/** undici takes more bodies than its types say. */
const ask = (url: string, options: object): ReturnType<typeof request> => request(url, options)

const tokensOf = ({ seen }: Api): (string | null)[] => seen.map(({ token }) => token)
const BOTH = ['fake-token-1', 'fake-token-2']

describe('what is a refusal', () => {
  const bodies: Record<string, Answer> = {
    '40001': (_, response) => response.end('{"errcode":40001}'),
    '40014 behind the message': (_, response) =>
      response.end('{"errmsg":"{\\"errcode\\":0}","errcode":40014}'),
    '42001 with spaces': (_, response) => response.end(' {\n "errcode" : 42001 }'),
    'text/plain': (_, response) => response.setHeader('content-type', 'text/plain').end(REFUSAL),
    'image/png': (_, response) => response.setHeader('content-type', 'image/png').end(REFUSAL),
    'status 500': (_, response) => response.writeHead(500).end(REFUSAL),
    gzip: (_, response) => response.setHeader('content-encoding', 'gzip').end(gzipSync(REFUSAL)),
    'gzip that says so nowhere': (_, response) => response.end(gzipSync(REFUSAL)),
    deflate: (_, response) => response.setHeader('content-encoding', 'deflate').end(deflateSync(REFUSAL)),
    br: (_, response) => response.setHeader('content-encoding', 'br').end(brotliCompressSync(REFUSAL)),
    'byte by byte': (_, response) => {
      for (const byte of REFUSAL) response.write(byte)
      response.end()
    },
  }
  test.for(Object.entries(bodies))('%s', async ([, refuse]) => {
    const set = await setUp((seen, response, req) =>
      seen.token === 'fake-token-1' ? refuse(seen, response, req) : response.end(OK),
    )
    const { body } = await request(`${set.url}/p`, { dispatcher: set.dispatcher })
    expect(await body.text()).toBe(OK)
    expect(tokensOf(set)).toEqual(BOTH)
    expect(set.tokens.rejected).toEqual(['fake-token-1'])
  })

  test.for([
    '{"errcode":41001}',
    '{"errcode":48001}',
    '{"data":{"errcode":40001}}',
    '[{"errcode":40001}]',
    '',
  ])('is none: %s', async (text) => {
    const set = await setUp((_, response) => response.end(text))
    const { body } = await request(`${set.url}/p`, { dispatcher: set.dispatcher })
    expect(await body.text()).toBe(text)
    expect(set.tokens.rejected).toEqual([])
  })

  test('401 in a header scheme heals; in the query scheme it is an answer like any other', async () => {
    const only401: Answer = (seen, response) =>
      response.writeHead(seen.headers.authorization === 'Bearer fake-token-2' ? 200 : 401).end('who?')
    const bearer = await setUp(only401, { scheme: 'bearer' })
    const healed = await request(`${bearer.url}/p`, { dispatcher: bearer.dispatcher })
    expect([healed.statusCode, await healed.body.text()]).toEqual([200, 'who?'])
    const query = await setUp(only401)
    const refused = await request(`${query.url}/p`, { dispatcher: query.dispatcher })
    expect([refused.statusCode, await refused.body.text()]).toEqual([401, 'who?'])
    expect(query.tokens.rejected).toEqual([])
  })

  test('HEAD with a refused status heals; without one it passes at once', async () => {
    const set = await setUp(
      (seen, response) =>
        response.writeHead(seen.headers.authorization === 'Bearer fake-token-2' ? 204 : 401).end(),
      { scheme: 'bearer' },
    )
    const { statusCode } = await request(`${set.url}/p`, { dispatcher: set.dispatcher, method: 'HEAD' })
    expect(statusCode).toBe(204)
    const again = await request(`${set.url}/p`, { dispatcher: set.dispatcher, method: 'HEAD' })
    expect(again.statusCode).toBe(204)
  })

  test('the provider’s own field, codes and statuses: Feishu’s, and codes that are words', async () => {
    const refused = { statuses: [403], field: 'code', codes: [99991663, 'InvalidToken'] }
    for (const [status, text] of [
      [200, '{"code":99991663,"msg":"x"}'],
      [400, '{"code":"InvalidToken"}'],
      [403, 'x'],
    ] as const) {
      const set = await setUp(
        (seen, response) =>
          seen.token === 'fake-token-1' ? response.writeHead(status).end(text) : response.end('{"code":0}'),
        {},
        { refused },
      )
      const { body } = await request(`${set.url}/p`, { dispatcher: set.dispatcher })
      expect(await body.text()).toBe('{"code":0}')
    }
  })
})

describe('what comes of it', () => {
  test('the second refusal is given as it came, and there is no third attempt', async () => {
    const set = await setUp((seen, response) => response.setHeader('x-n', seen.token ?? '').end(REFUSAL))
    const { body, headers } = await request(`${set.url}/p`, { dispatcher: set.dispatcher })
    expect(await body.text()).toBe(REFUSAL)
    expect(headers['x-n']).toBe('fake-token-2')
    expect(tokensOf(set)).toEqual(BOTH)
    expect(set.tokens.rejected).toEqual(['fake-token-1'])
  })

  test('where `reject` fails the refusal is the answer, whole, also when it is longer than what is held', async () => {
    for (const text of [REFUSAL, `{"errcode":40001,"errmsg":"${'x'.repeat(300_000)}"}`]) {
      const set = await setUp((_, response) => response.setHeader('x-a', '1').end(text))
      set.tokens.failNext(
        'reject',
        new TokenThreadError({ code: 'ERR_TOKEN_REFUSED', message: 'no', retryable: true }),
      )
      const { body, headers, statusCode } = await request(`${set.url}/p`, { dispatcher: set.dispatcher })
      expect([statusCode, headers['x-a'], await body.text()]).toEqual([200, '1', text])
      expect(set.seen).toHaveLength(1)
    }
  })

  test('a refusal longer than what is held is dropped for the second answer, its connection with it', async () => {
    const closed = event()
    const set = await setUp((seen, response) => {
      if (seen.token !== 'fake-token-1') return void response.end(OK)
      response.once('close', closed.come)
      response.end(`{"errcode":40001,"errmsg":"${'x'.repeat(30_000_000)}"}`)
    })
    const { body } = await request(`${set.url}/p`, { dispatcher: set.dispatcher })
    expect(await body.text()).toBe(OK)
    await closed.came
  })

  test('a refusal that breaks off heals, too', async () => {
    const set = await setUp((seen, response) => {
      if (seen.token !== 'fake-token-1') response.end(OK)
      else
        response
          .writeHead(200, { 'content-length': 100 })
          .write('{"errcode":40001,', () => response.destroy())
    })
    const { body } = await request(`${set.url}/p`, { dispatcher: set.dispatcher })
    expect(await body.text()).toBe(OK)
  })

  test('every way to ask: request, fetch, stream, pipeline and the dispatcher itself', async () => {
    const ways: Record<string, (url: string, dispatcher: Dispatcher) => Promise<string>> = {
      request: async (url, dispatcher) =>
        (await request(url, { dispatcher, method: 'POST', body: 'b' })).body.text(),
      fetch: async (url, dispatcher) => (await fetch(url, { dispatcher, method: 'POST', body: 'b' })).text(),
      stream: async (url, dispatcher) => {
        let text = ''
        const write = (chunk: Buffer, _: unknown, done: () => void): void => {
          text += chunk.toString()
          done()
        }
        await stream(url, { dispatcher, method: 'POST', body: 'b' }, () => new Writable({ write }))
        return text
      },
      pipeline: async (url, dispatcher) => {
        const duplex = pipeline(url, { dispatcher, method: 'POST' }, ({ body }) => body)
        duplex.end('b')
        let text = ''
        for await (const chunk of duplex) text += String(chunk)
        return text
      },
      dispatcher: async (url, dispatcher) =>
        (
          await dispatcher.request({ origin: new URL(url).origin, path: '/p', method: 'POST', body: 'b' })
        ).body.text(),
    }
    for (const [name, ask] of Object.entries(ways)) {
      const set = await setUp(refusesFirst)
      expect([name, await ask(`${set.url}/p`, set.dispatcher)]).toEqual([name, OK])
      expect([name, set.seen.map(({ body }) => body)]).toEqual([name, ['b', 'b']])
    }
  })

  test('a token refused after a newer one came is healed without another token call', async () => {
    const held = event()
    const set = await setUp((seen, response) => {
      if (seen.token !== 'fake-token-1') response.end(OK)
      else void held.came.then(() => response.end(REFUSAL))
    })
    const asked = request(`${set.url}/p`, { dispatcher: set.dispatcher })
    while (set.seen.length === 0) await new Promise((resolve) => setImmediate(resolve))
    set.tokens.rotate()
    held.come()
    expect(await (await asked).body.text()).toBe(OK)
    expect(tokensOf(set)).toEqual(BOTH)
  })

  test('a real thread and the simulator: revoked, one token call, healed', async () => {
    const sim = await simulator({ gzip: true })
    const tokens = await threadOn(sim)
    const agent = new Agent()
    cleanUp(() => agent.destroy())
    const dispatcher = agent.compose(tokenInterceptor(tokens))
    sim.revoke(APP_ID)
    const answer = await fetch(`${sim.url}/cgi-bin/menu/get`, { dispatcher })
    expect(await answer.json()).toMatchObject({ errcode: 0 })
    expect(sim.counters(APP_ID).stable.issued).toBe(2)
  })
})

describe('the body of the request', () => {
  const text = 'é'.repeat(100)
  const long = 'y'.repeat(1_000_000)
  async function* chunks(): AsyncGenerator<Buffer> {
    for (const part of [text.slice(0, 50), text.slice(50)]) {
      await Promise.resolve()
      yield Buffer.from(part)
    }
  }
  const bodies: Record<string, [() => unknown, string]> = {
    'a string': [() => text, text],
    'a long string': [() => long, long],
    'a Buffer': [() => Buffer.from(text), text],
    'a long Buffer': [() => Buffer.from(long), long],
    'a Uint8Array': [() => new Uint8Array(Buffer.from(text)), text],
    'an ArrayBuffer': [() => new TextEncoder().encode(text).buffer, text],
    'a Blob': [() => new Blob([long]), long],
    'a stream': [() => Readable.from([Buffer.from(text)]), text],
    'a stream of strings': [() => Readable.from([text], { objectMode: false }).setEncoding('utf8'), text],
    'an async iterable': [chunks, text],
    'an iterable': [() => [Buffer.from(text)].values(), text],
    'a ReadableStream': [() => new Blob([text]).stream(), text],
    'an empty stream': [() => Readable.from([]), ''],
  }
  test.for(Object.entries(bodies))('%s is sent again', async ([, [make, sent]]) => {
    const set = await setUp(refusesFirst)
    const options = Object.assign({ dispatcher: set.dispatcher, method: 'POST' as const }, { body: make() })
    const answer = await ask(`${set.url}/p`, options)
    expect(await answer.body.text()).toBe(OK)
    expect(set.seen.map((one) => one.body === sent)).toEqual([true, true])
  })

  test('a stream whose length undici knows keeps its content-length', async () => {
    const set = await setUp(refusesFirst)
    const body = new Readable({ read: () => undefined })
    body.push(text)
    body.push(null)
    await (await request(`${set.url}/p`, { dispatcher: set.dispatcher, method: 'POST', body })).body.dump()
    expect(set.seen.map(({ headers }) => headers['content-length'])).toEqual(['200', '200'])
  })

  test('FormData, by request and by fetch', async () => {
    for (const ask of [request, fetch]) {
      const set = await setUp(refusesFirst)
      const body = new FormData()
      body.append('media', new Blob([text]), 'a.txt')
      await ask(`${set.url}/p`, { dispatcher: set.dispatcher, method: 'POST', body })
      expect(set.seen).toHaveLength(2)
      for (const one of set.seen) {
        expect(one.body).toContain(text)
        expect(one.body).toContain(/boundary=(.*)/.exec(one.headers['content-type'] ?? '')?.[1])
      }
    }
  })

  test.for([65_536, 65_537])(
    'a stream of %i bytes: kept up to replayLimit, refused whole beyond, one warn',
    async (n) => {
      const logger = keepingLogger()
      const set = await setUp(refusesFirst, { logger })
      const body = Readable.from([Buffer.alloc(n - 10, 'a'), Buffer.alloc(10, 'b')])
      const answer = await request(`${set.url}/p?secret=5`, {
        dispatcher: set.dispatcher,
        method: 'POST',
        body,
      })
      const isKept = n === 65_536
      expect(await answer.body.text()).toBe(isKept ? OK : REFUSAL)
      expect(set.seen.map((one) => one.body.length)).toEqual(isKept ? [n, n] : [n])
      expect(set.tokens.rejected).toEqual(['fake-token-1'])
      expect(logger.lines.map(({ level }) => level)).toEqual(isKept ? [] : ['warn'])
      if (isKept) return
      expect(logger.lines[0]?.message).toContain('longer than replayLimit, 65536 bytes')
      expect(logger.lines[0]?.fields).toMatchObject({ method: 'POST', path: '/p' })
      // `reject` was begun all the same: the next request has the new token.
      await (await request(`${set.url}/p`, { dispatcher: set.dispatcher })).body.dump()
      expect(set.seen.at(-1)?.token).toBe('fake-token-2')
    },
  )

  test('a string under fetch, longer than replayLimit: the refusal, whole', async () => {
    const set = await setUp(refusesFirst, { replayLimit: 10 })
    const answer = await fetch(`${set.url}/p`, {
      dispatcher: set.dispatcher,
      method: 'POST',
      body: '12345678901',
    })
    expect(await answer.text()).toBe(REFUSAL)
  })

  test('a producer that fills the same buffer again: what was sent is sent again', async () => {
    const set = await setUp(refusesFirst)
    const shared = Buffer.alloc(2)
    const wanted = event()
    async function* reusing(): AsyncGenerator<Buffer> {
      for (const part of ['ab', 'cd', 'ef']) {
        shared.write(part)
        yield shared
        // The bytes have left for the kernel before the buffer is filled again.
        await new Promise((resolve) => setImmediate(resolve))
      }
      wanted.come()
    }
    const body = Readable.from(reusing())
    await (await request(`${set.url}/p`, { dispatcher: set.dispatcher, method: 'POST', body })).body.dump()
    await wanted.came
    expect(set.seen.map((one) => one.body)).toEqual(['abcdef', 'abcdef'])
  })

  test('a logger that throws keeps no answer from its caller', async () => {
    const throws = (): never => {
      throw new Error('of the logger')
    }
    const logger = { info: throws, warn: throws, error: throws }
    const set = await setUp(refusesFirst, { logger, replayLimit: 1 })
    const send = async (): Promise<string> => {
      const body = Readable.from([Buffer.from('long')])
      const answer = await request(`${set.url}/p`, { dispatcher: set.dispatcher, method: 'POST', body })
      return answer.body.text()
    }
    // undici ends the request whose handler threw; it must end.
    expect(await send().catch((error: unknown) => String(error))).toMatch(/of the logger|40001/)
    expect(await send()).toBe(OK)
  })

  test('a reader of other make that throws what it should reject with: the refusal is the answer', async () => {
    const set = await setUp((_, response) => void response.end(REFUSAL))
    const broken = {
      get: () => 'mine',
      current: new Token({ accessToken: 'mine', issuedAt: 0, expiresAt: 9e15, generation: 1 }),
      requestSide: set.tokens.requestSide,
      ready: () => set.tokens.ready(),
      refresh: () => set.tokens.refresh(),
      status: () => set.tokens.status(),
      reject: () => {
        throw new Error('of other make')
      },
    }
    const agent = new Agent()
    cleanUp(() => agent.destroy())
    const answer = await request(`${set.url}/p`, { dispatcher: agent.compose(tokenInterceptor(broken)) })
    expect(await answer.body.text()).toBe(REFUSAL)
  })

  test('an answer before the body was read to its end: the refusal, and one warn', async () => {
    const logger = keepingLogger()
    const { createServer } = await import('node:http')
    const early = createServer((_, response) => void response.end(REFUSAL))
    early.listen(0, '127.0.0.1')
    await once(early, 'listening')
    cleanUp(() => {
      early.closeAllConnections()
      early.close()
    })
    const address = early.address()
    const url = `http://127.0.0.1:${typeof address === 'object' ? String(address?.port) : ''}`
    const agent = new Agent()
    cleanUp(() => agent.destroy())
    const tokens = tokensFor([url])
    const dispatcher = agent.compose(tokenInterceptor(tokens, { logger }))
    const body = new Readable({ read: () => undefined })
    body.push('begun')
    const answer = await request(`${url}/p`, { dispatcher, method: 'POST', body })
    expect(await answer.body.text()).toBe(REFUSAL)
    expect(logger.lines[0]?.message).toContain('had not been read to its end')
    // The stream is not left open.
    if (!body.closed) await once(body, 'close')
    expect(body.destroyed).toBe(true)
  })

  test('a stream that fails fails the request with its own error', async () => {
    const set = await setUp(refusesFirst)
    const body = new Readable({ read: () => undefined })
    body.push('begun')
    const answer = request(`${set.url}/p`, { dispatcher: set.dispatcher, method: 'POST', body })
    const wrong = new Error('disk')
    setImmediate(() => body.destroy(wrong))
    await expect(answer).rejects.toBe(wrong)
  })
})

describe('without a live token', () => {
  test('a request fails at once with ERR_TOKEN_UNAVAILABLE and its cause; fetch gives it as cause', async () => {
    const set = await setUp(refusesFirst)
    const cause = new TokenThreadError({ code: 'ERR_CONNECTION', message: 'no net', retryable: true })
    set.tokens.fail(cause)
    set.tokens.expire()
    const { dispatcher } = set
    const error = await failureOf(() => request(`${set.url}/p`, { dispatcher }))
    expect([error.code, error.cause]).toEqual(['ERR_TOKEN_UNAVAILABLE', cause])
    const thrown: unknown = await fetch(`${set.url}/p`, { dispatcher }).catch((reason: unknown) => reason)
    expect(thrown).toBeInstanceOf(TypeError)
    expect(thrown).toMatchObject({ cause: { code: 'ERR_TOKEN_UNAVAILABLE' } })
    const opaque = new Writable({ write: () => undefined })
    expect(
      (await failureOf(() => stream(`${set.url}/p`, { dispatcher, method: 'GET' }, () => opaque))).code,
    ).toBe('ERR_TOKEN_UNAVAILABLE')
    const duplex = pipeline(`${set.url}/p`, { dispatcher, method: 'GET' }, ({ body }) => body)
    duplex.end()
    expect((await failureOf(() => once(duplex, 'data'))).code).toBe('ERR_TOKEN_UNAVAILABLE')
    expect(set.seen).toEqual([])
  })

  test('`wait` waits for one, as long as it says', async () => {
    const set = await setUp(refusesFirst, { wait: 60_000 })
    set.tokens.expire()
    const asked = request(`${set.url}/p`, { dispatcher: set.dispatcher })
    await new Promise((resolve) => setImmediate(resolve))
    expect(set.seen).toEqual([])
    set.tokens.rotate('another')
    expect(await (await asked).body.text()).toBe(OK)
    expect(tokensOf(set)).toEqual(['another'])
    const short = await setUp(refusesFirst, { wait: 5 })
    short.tokens.expire()
    expect((await failureOf(() => request(`${short.url}/p`, { dispatcher: short.dispatcher }))).code).toBe(
      'ERR_TOKEN_UNAVAILABLE',
    )
  })

  test('waiting ends with the caller’s signal, and when the thread closes', async () => {
    const set = await setUp(refusesFirst, { wait: 60_000 })
    set.tokens.expire()
    const signals: (AbortSignal | undefined)[] = []
    const ready = set.tokens.ready.bind(set.tokens)
    const seeing = (options: { signal?: AbortSignal } = {}): Promise<unknown> => {
      signals.push(options.signal)
      return ready(options)
    }
    Object.defineProperty(set.tokens, 'ready', { value: seeing })
    for (const ask of [request, fetch]) {
      const stop = new AbortController()
      const asked = ask(`${set.url}/p`, { dispatcher: set.dispatcher, signal: stop.signal })
      const reason = new Error('enough')
      setImmediate(() => stop.abort(reason))
      await expect(asked).rejects.toBe(reason)
    }
    // Nothing waits on for whoever has left.
    expect(signals.map((signal) => signal?.aborted)).toEqual([true, true])
    const asked = failureOf(() => request(`${set.url}/p`, { dispatcher: set.dispatcher }))
    await new Promise((resolve) => setImmediate(resolve))
    await set.tokens.close()
    expect((await asked).code).toBe('ERR_CLOSED')
    expect(set.seen).toEqual([])
  })
})
