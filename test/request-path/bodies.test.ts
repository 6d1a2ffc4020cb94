import { once } from 'node:events'
import { Readable } from 'node:stream'
import { Agent, fetch, FormData, request } from 'undici'
import { describe, expect, test } from 'vitest'
import { tokenInterceptor } from '../../src/index.js'
import { Token } from '../../src/token.js'
import { cleanUp } from '../support/cleanup.js'
import { keepingLogger } from '../support/log.js'
import { uncaughtIn } from '../support/uncaught.js'
import { settle } from '../support/virtual-clock.js'
import { event, OK, REFUSAL, refusesFirst, tokensFor } from './help.js'
import { ask, setUp } from './healing.js'

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
      if (!isKept) await logger.has(1)
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
    const thrown = await uncaughtIn(async () => {
      expect(await send()).toBe(REFUSAL)
      // The warning comes in a later turn.
      await settle()
    })
    expect(thrown).toEqual(['Error: of the logger'])
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
    await logger.has(1)
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
