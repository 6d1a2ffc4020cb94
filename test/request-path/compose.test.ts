import { once } from 'node:events'
import { gzipSync } from 'node:zlib'
import { Agent, cacheStores, type Dispatcher, fetch, interceptors, ProxyAgent, request } from 'undici'
import { describe, expect, test } from 'vitest'
import { tokenInterceptor, type TokenInterceptorOptions } from '../../src/index.js'
import { LocationGuard } from '../../src/interceptor/location.js'
import type { FakeTokens } from '../../testing/index.js'
import { cleanUp } from '../support/cleanup.js'
import { proxy } from '../support/proxy.js'
import { type Answer, type Api, api, OK, REFUSAL, refusesFirst, tokensFor } from './help.js'

type Interceptor = Dispatcher.DispatcherComposeInterceptor

interface SetUp extends Api {
  readonly tokens: FakeTokens
  readonly token: Interceptor
  compose(...interceptors: Interceptor[]): Dispatcher
}

async function setUp(answer: Answer, options: TokenInterceptorOptions = {}): Promise<SetUp> {
  const there = await api(answer)
  const agent = new Agent()
  cleanUp(() => agent.destroy())
  const tokens = tokensFor([there.url])
  const token = tokenInterceptor(tokens, { logger: false, ...options })
  return { ...there, tokens, token, compose: (...all) => agent.compose(...all) }
}

describe('redirects: the token never leaves', () => {
  const places: Record<string, TokenInterceptorOptions> = {
    query: {},
    bearer: { scheme: 'bearer' },
    header: { scheme: { header: 'x-acs-token' } },
  }
  const redirect = interceptors.redirect({ maxRedirections: 5 })

  for (const [name, options] of Object.entries(places)) {
    for (const order of ['outside', 'inside', 'fetch'] as const) {
      test(`${name}, redirect ${order}`, async () => {
        const foreign = await api((_, response) => response.end('foreign'))
        const set = await setUp((seen, response) => {
          // It echoes all it was sent, as a careless server does.
          const echo = encodeURIComponent(seen.headers.authorization ?? '')
          const query = new URL(seen.url, 'http://x').search
          response.writeHead(302, { location: `${foreign.url}/f${query || '?'}&auth=${echo}&ours=1` }).end()
        }, options)
        const { token } = set
        const url = `${set.url}/p`
        if (order === 'outside') {
          await (await request(url, { dispatcher: set.compose(token, redirect) })).body.dump()
        } else if (order === 'fetch') await (await fetch(url, { dispatcher: set.compose(token) })).text()
        else {
          // An inner one would follow with our header: it must not follow at all.
          const answer = await request(url, { dispatcher: set.compose(redirect, token) })
          expect(answer.statusCode).toBe(302)
          expect(String(answer.headers.location)).not.toContain('fake-token')
        }
        expect(JSON.stringify(set.seen)).toContain('fake-token-1')
        expect(foreign.seen).toHaveLength(order === 'inside' ? 0 : 1)
        expect(JSON.stringify(foreign.seen)).not.toContain('fake-token')
        if (order !== 'inside') expect(foreign.seen[0]?.url).toContain('&ours=1')
      })
    }
  }

  test('a hop that stays at home carries the token', async () => {
    const set = await setUp((seen, response) => {
      if (seen.path === '/p') response.writeHead(302, { location: '/q?a=1' }).end()
      else response.end(OK)
    })
    await (await request(`${set.url}/p`, { dispatcher: set.compose(set.token, redirect) })).body.dump()
    expect(set.seen.map(({ url }) => url)).toEqual([
      '/p?access_token=fake-token-1',
      '/q?a=1&access_token=fake-token-1',
    ])
  })

  test('tabs inside of a token in a Location do not carry it past the guard: who follows it drops them', async () => {
    for (const how of ['redirect', 'fetch'] as const) {
      const foreign = await api((_, response) => response.end('foreign'))
      const set = await setUp((_, response) => {
        response.writeHead(302, { location: `${foreign.url}/f?x=fake\t-tok\ten-1&ours=1` }).end()
      })
      const url = `${set.url}/p`
      if (how === 'fetch') await (await fetch(url, { dispatcher: set.compose(set.token) })).text()
      else await (await request(url, { dispatcher: set.compose(set.token, redirect) })).body.dump()
      expect(foreign.seen.map((one) => one.url)).toEqual(['/f?ours=1'])
    }
  })

  test('the second answer’s Location holds neither the newer token nor the refused one', async () => {
    const set = await setUp((seen, response) => {
      if (seen.token === 'fake-token-1') response.end(REFUSAL)
      else
        response.writeHead(302, { location: 'http://127.0.0.1:1/?a=fake-token-1&b=fake-token-2&c=1' }).end()
    })
    const { headers, body } = await request(`${set.url}/p`, { dispatcher: set.compose(set.token) })
    await body.dump()
    expect(headers.location).toBe('http://127.0.0.1:1/?c=1')
  })

  test('a Location of the second answer is stripped, too', async () => {
    const set = await setUp((seen, response) => {
      if (seen.token === 'fake-token-1') response.end(REFUSAL)
      else
        response
          .writeHead(302, { location: `http://127.0.0.1:1/?access_token=${String(seen.token)}&b=1` })
          .end()
    })
    for (const responseHeaders of ['raw', null] as const) {
      const answer = await request(`${set.url}/p`, { dispatcher: set.compose(set.token), responseHeaders })
      await answer.body.dump()
      expect(JSON.stringify(answer.headers)).toContain('http://127.0.0.1:1/?b=1')
    }
  })
})

describe('a Location without the token', () => {
  const token = 'a+b/c=-_~é'
  const twice = encodeURIComponent(encodeURIComponent(token))
  const lower = encodeURIComponent(token).replaceAll(/%../g, (code) => code.toLowerCase())
  test.for([
    ['/x?a=1', '/x?a=1'],
    [`/x?access_token=${encodeURIComponent(token)}`, '/x'],
    [`/x?a=1&access_token=${lower}&b=2#f`, '/x?a=1&b=2#f'],
    [`/x?other=${encodeURIComponent(token)}&b`, '/x?b'],
    [`/${encodeURIComponent(token)}/y`, '//y'],
    [
      `/x?next=${encodeURIComponent(`http://h/?access_token=${twice}`)}`,
      `/x?next=http%3A%2F%2Fh%2F%3Faccess_token%3D`,
    ],
    [`/x#${encodeURIComponent(token)}`, '/x#'],
    [`/x?a=${encodeURIComponent(token)}z`, '/x?a=z'],
    ['/x?a=a%2Bb', '/x?a=a%2Bb'],
  ])('%s', ([location = '', safe]) => {
    expect(new LocationGuard(token).strip(location)).toBe(safe)
  })

  test('pieces that come together when the middle goes', () => {
    expect(new LocationGuard('abc').strip('/aabcbc')).toBe('/')
  })

  test('raw headers as lists of buffers or strings, and as objects', () => {
    const guard = new LocationGuard('tok')
    const list = ['Location', '/?access_token=tok', 'x-location', '/?access_token=tok', 'x', 'location']
    const safe = ['Location', '/', 'x-location', '/?access_token=tok', 'x', 'location']
    expect(guard.rawHeaders(list)).toEqual(safe)
    expect(guard.rawHeaders(list.map((item) => Buffer.from(item)))).toEqual(
      safe.map((item) => Buffer.from(item)),
    )
    expect(guard.rawHeaders({ location: ['/tok', '/'], a: 'tok' })).toEqual({
      location: ['/', '/'],
      a: 'tok',
    })
  })
})

describe('with retry', () => {
  const retry = interceptors.retry({ minTimeout: 1, maxRetries: 2, retryAfter: false })
  test.for(['inside', 'outside'] as const)('%s: a 503, then a refusal, then healed', async (order) => {
    const set = await setUp((seen, response) => {
      if (set.seen.length === 1) response.writeHead(503).end('busy')
      else refusesFirst(seen, response, response.req)
    })
    const dispatcher = order === 'inside' ? set.compose(retry, set.token) : set.compose(set.token, retry)
    const { body } = await request(`${set.url}/p`, { dispatcher })
    expect(await body.text()).toBe(OK)
    expect(set.seen.map(({ token }) => token)).toEqual(['fake-token-1', 'fake-token-1', 'fake-token-2'])
  })

  test('a missing token is not retried', async () => {
    const set = await setUp(refusesFirst)
    set.tokens.expire()
    const dispatcher = set.compose(set.token, retry)
    await expect(request(`${set.url}/p`, { dispatcher })).rejects.toMatchObject({
      code: 'ERR_TOKEN_UNAVAILABLE',
    })
  })
})

describe('with a cache', () => {
  test('outside: its keys hold no token, and it stays warm over a rotation', async () => {
    const store = new cacheStores.MemoryCacheStore()
    const set = await setUp((_, response) =>
      response.setHeader('cache-control', 'public, max-age=60').end(OK),
    )
    const dispatcher = set.compose(set.token, interceptors.cache({ store }))
    for (const rotate of [false, true, true]) {
      if (rotate) set.tokens.rotate()
      expect(await (await request(`${set.url}/p`, { dispatcher })).body.text()).toBe(OK)
    }
    expect(set.seen).toHaveLength(1)
    const key = { origin: set.url, method: 'GET', path: '/p' }
    expect(store.get(key)).toBeDefined()
  })

  test('inside: correct, but each rotation empties it', async () => {
    const set = await setUp((_, response) =>
      response.setHeader('cache-control', 'public, max-age=60').end(OK),
    )
    const dispatcher = set.compose(interceptors.cache(), set.token)
    for (const rotate of [false, false, true]) {
      if (rotate) set.tokens.rotate()
      expect(await (await request(`${set.url}/p`, { dispatcher })).body.text()).toBe(OK)
    }
    expect(set.seen).toHaveLength(2)
  })
})

describe('with what else there is', () => {
  test('a proxy: the agent of the proxy is composed', async () => {
    const tunnel = await proxy()
    const set = await setUp(refusesFirst)
    const agent = new ProxyAgent({ uri: tunnel.url, proxyTunnel: true })
    cleanUp(() => agent.destroy())
    const { body } = await request(`${set.url}/p`, { dispatcher: agent.compose(set.token) })
    expect(await body.text()).toBe(OK)
    expect(tunnel.asked.map(({ target }) => target)).toContain(new URL(set.url).host)
    expect(JSON.stringify(tunnel.asked)).not.toContain('fake-token')
  })

  test('dns inside: the origin that is checked is the caller’s', async () => {
    const set = await setUp(refusesFirst)
    const { port } = new URL(set.url)
    const origin = `http://api.example:${port}`
    const dns = interceptors.dns({
      lookup: (_, __, done) => done(null, [{ address: '127.0.0.1', ttl: 1_000, family: 4 }]),
    })
    const tokens = tokensFor([origin])
    const dispatcher = set.compose(dns, tokenInterceptor(tokens))
    expect(await (await request(`${origin}/p`, { dispatcher })).body.text()).toBe(OK)
    // Outside it hides the origin: no token goes, which is safe.
    const outside = set.compose(tokenInterceptor(tokens), dns)
    await (await request(`${origin}/p`, { dispatcher: outside })).body.dump()
    expect(set.seen.at(-1)?.token).toBe(null)
  })

  test.for(['inside', 'outside'] as const)('decompress %s', async (order) => {
    const set = await setUp((seen, response) => {
      const text = seen.token === 'fake-token-1' ? REFUSAL : OK
      response.setHeader('content-encoding', 'gzip').end(gzipSync(text))
    })
    const decompress = interceptors.decompress()
    const all = order === 'inside' ? [decompress, set.token] : [set.token, decompress]
    const { body } = await request(`${set.url}/p`, { dispatcher: set.compose(...all) })
    expect(await body.text()).toBe(OK)
  })

  test('dump outside', async () => {
    const set = await setUp(refusesFirst)
    const { body, statusCode } = await request(`${set.url}/p`, {
      dispatcher: set.compose(set.token, interceptors.dump()),
    })
    expect([statusCode, await body.text()]).toEqual([200, ''])
    expect(set.seen.map(({ token }) => token)).toEqual(['fake-token-1', 'fake-token-2'])
  })

  test('responseError outside: it sees the healed answer', async () => {
    const set = await setUp(
      (seen, response) =>
        response.writeHead(seen.headers.authorization === 'Bearer fake-token-2' ? 200 : 401).end('x'),
      { scheme: 'bearer' },
    )
    const { statusCode } = await request(`${set.url}/p`, {
      dispatcher: set.compose(set.token, interceptors.responseError()),
    })
    expect(statusCode).toBe(200)
  })

  test('two accounts on one agent, each for its own origin', async () => {
    const [a, b] = [await setUp(refusesFirst), await setUp(refusesFirst)]
    b.tokens.rotate('other')
    const dispatcher = a.compose(a.token, b.token)
    await (await request(`${a.url}/p`, { dispatcher })).body.dump()
    await (await request(`${b.url}/p`, { dispatcher })).body.dump()
    expect([a.seen.at(-1)?.token, b.seen.at(-1)?.token]).toEqual(['fake-token-2', 'other'])
  })

  test('what is no request to the API goes untouched, upgrades too', async () => {
    const set = await setUp(refusesFirst)
    const { createServer } = await import('node:http')
    const server = createServer()
    server.on('upgrade', ({ url }, socket) => {
      socket.end(
        `HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\nx-url: ${String(url)}\r\n\r\n`,
      )
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    cleanUp(() => server.close())
    const address = server.address()
    const origin = `http://127.0.0.1:${typeof address === 'object' ? String(address?.port) : ''}`
    const dispatcher = set.compose(tokenInterceptor(tokensFor([origin])))
    const options = { origin, path: '/p', protocol: 'x' }
    const { headers, socket } = await dispatcher.upgrade(options)
    socket.destroy()
    expect(headers['x-url']).toBe('/p')
  })
})
