import { once } from 'node:events'
import { Writable } from 'node:stream'
import { fetch, pipeline, request, stream } from 'undici'
import { describe, expect, test } from 'vitest'
import { TokenThreadError } from '../../src/index.js'
import { failureOf } from '../support/outcome.js'
import { OK, refusesFirst } from './help.js'
import { setUp, tokensOf } from './healing.js'

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
