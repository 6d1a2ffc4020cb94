import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import type { FaultAnswer, Simulator } from '../../simulator/index.js'
import { appId, forced, matching, stable, start, use } from './help.js'

/** The raw answer to one struck token call. */
async function struck(simulator: Simulator, then: FaultAnswer): Promise<Response> {
  simulator.inject({ times: 1, then })
  return fetch(`${simulator.url}/cgi-bin/stable_token`, { method: 'POST', body: '{}', redirect: 'manual' })
}

const causeOf = (error: unknown): unknown => (error instanceof Error ? error.cause : undefined)

describe('a connection', () => {
  test('reset: there is no answer', async () => {
    const simulator = await start()
    const error: unknown = await struck(simulator, 'reset').catch((reason: unknown) => reason)
    expect(causeOf(error)).toMatchObject({ code: 'ECONNRESET' })
  })

  test('half-body: the token is issued, and half of it arrives', async () => {
    const simulator = await start()
    simulator.inject({ times: 1, then: 'half-body' })
    const { appId: appid, appSecret: secret } = simulator.options(appId)
    const response = await fetch(`${simulator.url}/cgi-bin/stable_token`, {
      method: 'POST',
      body: JSON.stringify({ grant_type: 'client_credential', appid, secret }),
    })
    const reader = response.body?.getReader()
    const half: unknown = (await reader?.read())?.value
    if (!(half instanceof Uint8Array)) throw new Error('nothing arrived')
    const whole = Number(response.headers.get('content-length'))
    expect(half.length).toBe(Math.floor(whole / 2))
    await expect(reader?.read()).rejects.toThrow()
    expect(simulator.counters()).toMatchObject({ issued: 1, faults: 1 })
    const lost = simulator.current(appId).stable?.accessToken ?? ''
    expect(new TextDecoder().decode(half)).toContain(lost.slice(0, 40))
    expect((await stable(simulator)).accessToken).toBe(lost)
  })

  test('silent: no answer comes for as long as the client waits', async () => {
    const simulator = await start()
    simulator.inject({ then: 'silent' })
    const leave = new AbortController()
    const finished = once(simulator, 'call')
    const answer = fetch(`${simulator.url}/cgi-bin/token`, { signal: leave.signal })
    expect(await Promise.race([answer, finished])).toMatchObject([{ outcome: 'faulted' }])
    leave.abort()
    await expect(answer).rejects.toThrow('aborted')
  })
})

describe('a body', () => {
  test('garbage: can be read neither as JSON nor as text', async () => {
    const response = await struck(await start(), 'garbage')
    expect(response.headers.get('content-type')).toContain('json')
    await expect(response.json()).rejects.toThrow(SyntaxError)
  })

  test('html: the page of a gateway', async () => {
    const response = await struck(await start(), 'html')
    expect(response.status).toBe(502)
    expect(await response.text()).toMatch(/^<html>.*502 Bad Gateway/)
  })

  test('bad-gzip: says gzip, is none', async () => {
    const response = await struck(await start(), 'bad-gzip')
    expect(response.headers.get('content-encoding')).toBe('gzip')
    const error: unknown = await response.text().catch((reason: unknown) => reason)
    expect(causeOf(error)).toMatchObject({ code: 'Z_DATA_ERROR' })
  })

  test('big-body: 5 MB of JSON whose length no header tells', async () => {
    const response = await struck(await start(), 'big-body')
    expect(response.headers.get('content-length')).toBeNull()
    const text = await response.text()
    expect(text.length).toBeGreaterThan(5_000_000)
    expect(JSON.parse(text)).toHaveProperty('access_token')
  })

  test('gzip-bomb: small on the wire, 50 MB when inflated', async () => {
    const response = await struck(await start(), 'gzip-bomb')
    expect(Number(response.headers.get('content-length'))).toBeLessThan(100_000)
    expect((await response.arrayBuffer()).byteLength).toBeGreaterThan(50_000_000)
  })

  test('endless: bytes keep coming until the client leaves', async () => {
    const response = await struck(await start(), 'endless')
    const reader = response.body?.getReader()
    for (let count = 0; count < 5; count += 1) expect((await reader?.read())?.done).toBe(false)
    await reader?.cancel()
  })

  test('redirect: to a path that is seen when a client follows', async () => {
    const simulator = await start()
    const response = await struck(simulator, 'redirect')
    expect(response.status).toBe(302)
    expect(response.headers.get('location')).toBe('/elsewhere')
    const seen: string[] = []
    simulator.on('call', ({ path }) => seen.push(path))
    await fetch(new URL('/elsewhere', simulator.url))
    expect(seen).toEqual(['/elsewhere'])
  })
})

describe('an errcode', () => {
  test.each([
    -1, 40001, 40002, 40013, 40125, 40164, 40243, 41002, 41004, 43002, 45009, 45011, 50004, 50007, 61004,
    61024, 89501, 89503, 89506, 89507,
  ])('%i is answered with status 200, its words and a request id', async (errcode) => {
    const response = await struck(await start(), { errcode })
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({
      errcode,
      errmsg: matching(/^\w.{8,} rid: [0-9a-f-]{26}$/),
    })
  })

  test.each([40164, 61004])('%i names the address of the caller', async (errcode) => {
    expect(await (await struck(await start(), { errcode })).text()).toContain('127.0.0.1')
  })

  test('may have other words', async () => {
    const response = await struck(await start(), { errcode: 40164, errmsg: 'invalid ip 1.2.3.4 rid: a-b-c' })
    expect(await response.json()).toEqual({ errcode: 40164, errmsg: 'invalid ip 1.2.3.4 rid: a-b-c' })
  })

  test('issues nothing', async () => {
    const simulator = await start()
    simulator.inject({ times: 1, then: { errcode: -1 } })
    expect((await forced(simulator)).errcode).toBe(-1)
    expect(simulator.current(appId)).toEqual({})
  })
})

describe('any answer', () => {
  test('an object goes as JSON', async () => {
    const response = await struck(await start(), { body: { access_token: 'x', expires_in: -7 } })
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ access_token: 'x', expires_in: -7 })
  })

  test.each([[null], [[]], [7200]])('%j goes as JSON too', async (body) => {
    expect(await (await struck(await start(), { body })).json()).toEqual(body)
  })

  test('a string and bytes go as they are, with status and headers', async () => {
    const simulator = await start()
    const headers = { 'retry-after': '3' }
    const text = await struck(simulator, { status: 503, headers, body: 'not "JSON"' })
    expect([text.status, text.headers.get('retry-after')]).toEqual([503, '3'])
    expect(await text.text()).toBe('not "JSON"')
    const bytes = await struck(simulator, { body: Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d]) })
    expect([...new Uint8Array(await bytes.arrayBuffer())]).toEqual([0xef, 0xbb, 0xbf, 0x7b, 0x7d])
  })

  test('a made-up token is refused by the API', async () => {
    const simulator = await start()
    await struck(simulator, { body: { access_token: `66_${'b'.repeat(140)}`, expires_in: 7200 } })
    expect(await use(simulator, `66_${'b'.repeat(140)}`)).toBe(40001)
  })
})
