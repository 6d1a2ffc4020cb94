import { Writable } from 'node:stream'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { Agent, type Dispatcher, fetch, pipeline, request, stream } from 'undici'
import { describe, expect, test } from 'vitest'
import { tokenInterceptor, TokenThreadError } from '../../src/index.js'
import { cleanUp } from '../support/cleanup.js'
import { APP_ID, simulator, threadOn } from '../support/simulated.js'
import { type Answer, event, OK, REFUSAL, refusesFirst } from './help.js'
import { BOTH, setUp, tokensOf } from './healing.js'

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
