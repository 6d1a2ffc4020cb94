import { Agent } from 'undici'
import { describe, expect, test } from 'vitest'
import { tokenInterceptor } from '../../src/index.js'
import { cleanUp } from '../support/cleanup.js'
import { APP_ID, simulator, threadOn } from '../support/simulated.js'
import { api, event, OK, refusesFirst, tokensFor } from './help.js'

/** Node's own fetch, whose types know only the dispatcher of the undici that is inside of Node. */
async function ownFetch(url: string, options: object): Promise<Response> {
  return fetch(url, options)
}

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const hasUndici8 = major > 22 || (major === 22 && minor >= 19)

describe(`undici 7 under Node's own fetch (undici ${process.versions.undici ?? '?'})`, () => {
  test('heals a POST, strips a Location, follows redirects at home', async () => {
    const set = await api((seen, response, request) => {
      if (seen.path === '/p') refusesFirst(seen, response, request)
      else if (seen.path === '/to')
        response.writeHead(302, { location: `/p${new URL(seen.url, 'http://x').search}` }).end()
    })
    const agent = new Agent()
    cleanUp(() => agent.destroy())
    const tokens = tokensFor([set.url])
    const dispatcher = agent.compose(tokenInterceptor(tokens, { logger: false }))
    const healed = await ownFetch(`${set.url}/p`, { dispatcher, method: 'POST', body: 'b' })
    expect(await healed.text()).toBe(OK)
    expect(set.seen.map(({ body }) => body)).toEqual(['b', 'b'])
    const moved = await ownFetch(`${set.url}/to`, { dispatcher })
    expect(await moved.text()).toBe(OK)
    expect(set.seen.at(-1)?.url).toBe('/p?access_token=fake-token-2')
    const seen = await ownFetch(`${set.url}/to`, { dispatcher, redirect: 'manual' })
    expect(seen.headers.get('location')).toBe('/p')
  })

  test('gzip, from the simulator', async () => {
    const sim = await simulator({ gzip: true })
    const tokens = await threadOn(sim)
    const agent = new Agent()
    cleanUp(() => agent.destroy())
    sim.revoke(APP_ID)
    const dispatcher = agent.compose(tokenInterceptor(tokens))
    const answer = await ownFetch(`${sim.url}/cgi-bin/menu/get`, { dispatcher })
    expect(await answer.json()).toEqual({ errcode: 0, errmsg: 'ok' })
  })

  test('an abort while it waits', async () => {
    const agent = new Agent()
    cleanUp(() => agent.destroy())
    const set = await api(refusesFirst)
    const tokens = tokensFor([set.url])
    const rejected = event()
    Object.defineProperty(tokens, 'reject', { value: () => (rejected.come(), new Promise(() => undefined)) })
    const stop = new AbortController()
    const dispatcher = agent.compose(tokenInterceptor(tokens))
    const asked = ownFetch(`${set.url}/p`, { dispatcher, signal: stop.signal })
    await rejected.came
    const reason = new Error('enough')
    setImmediate(() => stop.abort(reason))
    await expect(asked).rejects.toBe(reason)
  })
})

describe.skipIf(!hasUndici8)(`undici 8, which needs Node 22.19 or newer`, () => {
  test('request, fetch and stream heal; a Pool needs no origin there', async () => {
    const { Agent: Agent8, Pool, fetch: fetch8, request } = await import('undici-8')
    const set = await api(refusesFirst)
    const agent = new Agent8()
    const pool = new Pool(set.url)
    cleanUp(() => Promise.all([agent.destroy(), pool.destroy()]))
    const tokens = tokensFor([set.url])
    const token = tokenInterceptor(tokens)
    const dispatcher = agent.compose(token)
    expect(await (await request(`${set.url}/p`, { dispatcher, method: 'POST', body: 'b' })).body.text()).toBe(
      OK,
    )
    tokens.rotate('fake-token-1')
    expect(await (await fetch8(`${set.url}/p`, { dispatcher, method: 'POST', body: 'b' })).text()).toBe(OK)
    tokens.rotate('fake-token-1')
    expect(await (await pool.compose(token).request({ path: '/p', method: 'GET' })).body.text()).toBe(OK)
    expect(set.seen.map(({ body }) => body)).toEqual(['b', 'b', 'b', 'b', '', ''])
  })

  test('redirect, retry and cache outside of it; a Location that is read raw', async () => {
    const { Agent: Agent8, fetch: fetch8, interceptors, request } = await import('undici-8')
    const foreign = await api((_, response) => response.end('foreign'))
    let isBusy = true
    const set = await api((seen, response, request_) => {
      if (seen.path === '/p') refusesFirst(seen, response, request_)
      else if (isBusy) {
        isBusy = false
        response.writeHead(503).end()
      } else
        response
          .writeHead(302, { location: `${foreign.url}/f${new URL(seen.url, 'http://x').search}&a=1` })
          .end()
    })
    const agent = new Agent8()
    cleanUp(() => agent.destroy())
    const token = tokenInterceptor(tokensFor([set.url]))
    const dispatcher = agent.compose(
      token,
      interceptors.retry({ minTimeout: 1, maxRetries: 2 }),
      interceptors.redirect({ maxRedirections: 3 }),
      interceptors.cache(),
    )
    expect(await (await request(`${set.url}/to`, { dispatcher })).body.text()).toBe('foreign')
    expect(foreign.seen.map(({ url }) => url)).toEqual(['/f?a=1'])
    for (const seen of [
      await fetch8(`${set.url}/to`, { dispatcher: agent.compose(token), redirect: 'manual' }),
      await fetch8(`${set.url}/to`, { dispatcher: agent.compose(token), redirect: 'follow' }),
    ])
      expect([seen.headers.get('location'), seen.url]).not.toContainEqual(
        expect.stringContaining('fake-token'),
      )
    expect(JSON.stringify(foreign.seen)).not.toContain('fake-token')
  })

  test("under Node's own fetch, through Dispatcher1Wrapper", async () => {
    const { Agent: Agent8, Dispatcher1Wrapper } = await import('undici-8')
    const set = await api(refusesFirst)
    const agent = new Agent8()
    cleanUp(() => agent.destroy())
    const composed = agent.compose(tokenInterceptor(tokensFor([set.url])))
    // From Node 26 on its own fetch is undici 8's.
    const dispatcher = major >= 26 ? composed : new Dispatcher1Wrapper(composed)
    const answer = await ownFetch(`${set.url}/p`, { dispatcher, method: 'POST', body: 'b' })
    expect(await answer.text()).toBe(OK)
    expect(set.seen.map(({ body }) => body)).toEqual(['b', 'b'])
  })
})
