import { Agent, Client, FormData, Pool, fetch, request } from 'undici'
import { describe, expect, test } from 'vitest'
import { tokenInterceptor, type TokenInterceptorOptions, TokenThread } from '../../src/index.js'
import { cleanUp } from '../support/cleanup.js'
import { failureOf } from '../support/outcome.js'
import { type Api, api, OK, tokensFor } from './help.js'

async function setUp(
  options: TokenInterceptorOptions = {},
  side: Parameters<typeof tokensFor>[1] = {},
  accessToken = 'a+b/c=&d',
): Promise<Api & { readonly agent: Agent; readonly dispatcher: ReturnType<Agent['compose']> }> {
  const there = await api((_, response) => response.end(OK))
  const agent = new Agent()
  cleanUp(() => agent.destroy())
  const tokens = tokensFor([there.url], side, { accessToken })
  return { ...there, agent, dispatcher: agent.compose(tokenInterceptor(tokens, options)) }
}

describe('in the query', () => {
  test.for([
    ['/p', '/p?access_token=a%2Bb%2Fc%3D%26d'],
    ['/p?', '/p?access_token=a%2Bb%2Fc%3D%26d'],
    ['/p?x=1', '/p?x=1&access_token=a%2Bb%2Fc%3D%26d'],
    ['/p?x=1&', '/p?x=1&access_token=a%2Bb%2Fc%3D%26d'],
    ['/p?y=access_token', '/p?y=access_token&access_token=a%2Bb%2Fc%3D%26d'],
    ['/p?my_access_token=1', '/p?my_access_token=1&access_token=a%2Bb%2Fc%3D%26d'],
  ])('%s', async ([path = '', sent]) => {
    const { url, seen, dispatcher } = await setUp()
    await (await request(url + path, { dispatcher })).body.dump()
    expect(seen[0]?.url).toBe(sent)
  })

  test('beside `query`, which undici adds to the path itself', async () => {
    const { url, seen, dispatcher } = await setUp()
    await (await request(`${url}/p`, { dispatcher, query: { x: 1 } })).body.dump()
    expect(seen[0]?.url).toBe('/p?x=1&access_token=a%2Bb%2Fc%3D%26d')
  })

  test.for(['/p?access_token=mine', '/p?x&access%5Ftoken=mine', '/p?access_token='])(
    'a token of the caller’s own stays: %s',
    async (path) => {
      const { url, seen, dispatcher } = await setUp()
      await (await request(url + path, { dispatcher })).body.dump()
      expect(seen[0]?.url).toBe(path)
    },
  )

  test('a token of the caller’s own in `query` stays', async () => {
    const { url, seen, dispatcher } = await setUp()
    await (await request(`${url}/p`, { dispatcher, query: { access_token: 'mine' } })).body.dump()
    expect(seen[0]?.url).toBe('/p?access_token=mine')
  })

  test.for(['/cgi-bin/token?grant_type=x', '/sns/userinfo', '/sns/'])(
    'no token where the provider says so: %s',
    async (path) => {
      const { url, seen, dispatcher } = await setUp()
      await (await request(url + path, { dispatcher })).body.dump()
      expect(seen[0]?.url).toBe(path)
    },
  )

  test.for(['/cgi-bin/token/more', '/sns'])('an exception is exact: %s', async (path) => {
    const { url, seen, dispatcher } = await setUp()
    await (await request(url + path, { dispatcher })).body.dump()
    expect(seen[0]?.token).toBe('a+b/c=&d')
  })
})

describe('in a header', () => {
  const bearer = { scheme: 'bearer' } as const
  const shapes: Record<string, Parameters<typeof request>[1]> = {
    'no headers': {},
    'an object': { headers: { 'x-a': '1' } },
    'a flat list': { headers: ['x-a', '1'] },
    'a Map': { headers: new Map([['x-a', '1']]) },
    'an iterable that is spent once read': { headers: new Map([['x-a', '1']]).entries() },
    Headers: { headers: new Headers({ 'x-a': '1' }) },
    'an undefined authorization': { headers: { authorization: undefined } },
  }
  test.for(Object.entries(shapes))('bearer beside %s', async ([name, options]) => {
    const { url, seen, dispatcher } = await setUp(bearer, {}, 'tok')
    await (await request(`${url}/p?x=1`, { ...options, dispatcher })).body.dump()
    expect(seen[0]?.url).toBe('/p?x=1')
    expect(seen[0]?.headers.authorization).toBe('Bearer tok')
    if (name !== 'no headers' && !name.startsWith('an undefined')) expect(seen[0]?.headers['x-a']).toBe('1')
  })

  test.for<[string, Parameters<typeof request>[1]]>([
    ['object', { headers: { Authorization: 'mine' } }],
    ['list', { headers: ['AUTHORIZATION', 'mine'] }],
    ['Headers', { headers: new Headers({ authorization: 'mine' }) }],
  ])('a header of the caller’s own stays: %s', async ([, options]) => {
    const { url, seen, dispatcher } = await setUp(bearer, {}, 'tok')
    await (await request(`${url}/p`, { ...options, dispatcher })).body.dump()
    expect(seen[0]?.headers.authorization).toBe('mine')
  })

  test('a header of another name, and the provider’s place with its prefix', async () => {
    const named = await setUp({ scheme: { header: 'x-acs-token' } }, {}, 'tok')
    await (await request(`${named.url}/p`, { dispatcher: named.dispatcher })).body.dump()
    expect(named.seen[0]?.headers['x-acs-token']).toBe('tok')
    const place = { in: 'header', name: 'authorization', prefix: 'Bearer ' } as const
    const provided = await setUp({}, { place }, 'tok')
    await (
      await fetch(`${provided.url}/p`, { dispatcher: provided.dispatcher, headers: { 'x-a': '1' } })
    ).text()
    expect(provided.seen[0]?.headers).toMatchObject({ authorization: 'Bearer tok', 'x-a': '1' })
    const query = await setUp({ scheme: 'query' }, { place }, 'tok')
    await (await request(`${query.url}/p`, { dispatcher: query.dispatcher })).body.dump()
    expect(query.seen[0]?.url).toBe('/p?access_token=tok')
  })
})

describe('where it may go', () => {
  test('to no other origin: another port, another host name, an address in another spelling', async () => {
    const { url, dispatcher } = await setUp({}, {}, 'tok')
    const other = await api((_, response) => response.end('other'))
    const { port } = new URL(url)
    for (const origin of [other.url, `http://localhost:${port}`, `http://127.0.0.1.:${port}`]) {
      const sent = await request(`${origin}/p`, { dispatcher }).catch(() => undefined)
      await sent?.body.dump()
    }
    expect(other.seen.map(({ url: path, headers }) => [path, headers.authorization])).toEqual([
      ['/p', undefined],
    ])
  })

  test('`origins` replaces the account’s; an origin may be a URL, or written otherwise', async () => {
    const there = await api((_, response) => response.end(OK))
    const agent = new Agent()
    cleanUp(() => agent.destroy())
    const tokens = tokensFor(['https://api.weixin.qq.com'], {}, { accessToken: 'tok' })
    const dispatcher = agent.compose(tokenInterceptor(tokens, { origins: [`${there.url}/`] }))
    for (const origin of [there.url, new URL(there.url), there.url.toUpperCase()]) {
      await (await dispatcher.request({ origin, path: '/p', method: 'GET' })).body.dump()
    }
    expect(there.seen.map(({ token }) => token)).toEqual(['tok', 'tok', 'tok'])
  })

  test('an absolute path, as for a proxy, gets none: it may lead anywhere', async () => {
    const { url, seen, dispatcher } = await setUp({}, {}, 'tok')
    await (await dispatcher.request({ origin: url, path: 'http://elsewhere/p', method: 'GET' })).body.dump()
    expect(seen[0]?.url).toBe('http://elsewhere/p')
  })

  test('a Pool or Client used without origin fails with the mend, and works with it', async () => {
    const { url, seen } = await setUp({}, {}, 'tok')
    for (const plain of [new Pool(url), new Client(url)]) {
      cleanUp(() => plain.destroy())
      const composed = plain.compose(tokenInterceptor(tokensFor([url], {}, { accessToken: 'tok' })))
      const error = await failureOf(() => composed.request({ path: '/p', method: 'GET' }))
      expect(error.code).toBe('ERR_OPTIONS')
      expect(error.message).toContain('pass origin beside path')
      await (await composed.request({ origin: url, path: '/p', method: 'GET' })).body.dump()
      await (await request(`${url}/q`, { dispatcher: composed })).body.dump()
    }
    expect(seen.map(({ url: path }) => path)).toEqual(
      ['/p', '/q', '/p', '/q'].map((path) => `${path}?access_token=tok`),
    )
  })

  test('CONNECT and upgrades pass untouched', async () => {
    const { url, dispatcher } = await setUp({}, {}, 'tok')
    const error: unknown = await dispatcher
      .upgrade({ path: '/p', protocol: 'x' })
      .catch((thrown: unknown) => thrown)
    // undici's own complaint, not ours: the request went on.
    expect(error).not.toMatchObject({ code: 'ERR_OPTIONS' })
    expect(url).not.toBe('')
  })
})

test('a FormData body goes along', async () => {
  const { url, seen, dispatcher } = await setUp({}, {}, 'tok')
  const body = new FormData()
  body.append('a', '1')
  await (await request(`${url}/p`, { dispatcher, method: 'POST', body })).body.dump()
  expect(seen[0]?.body).toContain('name="a"')
})

test.for<[unknown, string]>([
  [{ origins: [] }, 'origins must be a list of at least one origin'],
  [{ origins: ['api.weixin.qq.com'] }, 'origins[0]'],
  [{ origins: ['https://api.weixin.qq.com/cgi-bin'] }, 'an origin alone, as https://api.weixin.qq.com'],
  [{ scheme: 'header' }, "scheme must be 'query', 'bearer' or { header: name }"],
  [{ scheme: { header: 'host' } }, 'scheme.header'],
  [{ scheme: { header: 'a b' } }, 'scheme.header'],
  [{ wait: 0 }, 'wait is 0'],
  [{ wait: '5' }, 'wait must be a number of milliseconds'],
  [{ replayLimit: -1 }, 'replayLimit is -1'],
  [{ replayLimit: '1' }, 'replayLimit must be a number of bytes'],
  [{ logger: {} }, 'logger must be false or have'],
  [{ replaylimit: 1 }, 'did you mean replayLimit?'],
])('ERR_OPTIONS names the option: %j', async ([options, message]) => {
  const error = await failureOf(() =>
    Reflect.apply(tokenInterceptor, undefined, [tokensFor(['http://x']), options]),
  )
  expect(error.code).toBe('ERR_OPTIONS')
  expect(error.message).toContain(message)
  expect((await failureOf(() => Reflect.apply(tokenInterceptor, undefined, [undefined]))).message).toContain(
    'tokens',
  )
})

test('an access_token that is undefined in `query` is none of the caller’s own', async () => {
  const set = await setUp({}, {}, 'ours')
  const { body } = await request(`${set.url}/p`, {
    dispatcher: set.dispatcher,
    query: { access_token: undefined, a: 1 },
  })
  await body.dump()
  expect(new URL(set.seen[0]?.url ?? '', 'http://h').searchParams.get('access_token')).toBe('ours')
})

test('of several accounts one must be said, at once', () => {
  const account = { appId: 'wx1', appSecret: 's', baseUrl: 'http://127.0.0.1:9' }
  const tokens = new TokenThread({
    logger: false,
    accounts: [
      { id: 'a', ...account },
      { id: 'b', ...account },
    ],
  })
  cleanUp(() => tokens.close())
  expect(() => tokenInterceptor(tokens)).toThrow('call account(id).requestSide: the ids are a, b')
  expect(() => tokenInterceptor(tokens.account('a'))).not.toThrow()
})
