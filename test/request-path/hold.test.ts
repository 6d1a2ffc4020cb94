import { once } from 'node:events'
import { createServer } from 'node:net'
import { Agent, type Dispatcher, fetch, request } from 'undici'
import { describe, expect, test } from 'vitest'
import { tokenInterceptor, type TokenInterceptorOptions } from '../../src/index.js'
import type { FakeTokens } from '../../testing/index.js'
import { cleanUp } from '../support/cleanup.js'
import { type Answer, type Api, api, event, OK, REFUSAL, tokensFor } from './help.js'

async function setUp(
  answer: Answer,
  options: TokenInterceptorOptions = {},
  agentOptions: Agent.Options = {},
): Promise<Api & { readonly tokens: FakeTokens; readonly dispatcher: Dispatcher }> {
  const there = await api(answer)
  const agent = new Agent(agentOptions)
  cleanUp(() => agent.destroy())
  const tokens = tokensFor([there.url])
  return {
    ...there,
    tokens,
    dispatcher: agent.compose(tokenInterceptor(tokens, { logger: false, ...options })),
  }
}

/** Tokens whose `reject` never ends. */
function never(tokens: FakeTokens): void {
  Object.defineProperty(tokens, 'reject', { value: () => new Promise(() => undefined) })
}

describe('an answer is let go', () => {
  test.for([
    ['<', 'media'],
    ['{"errcode":0,', 'an object of another code'],
    ['{"a":1}', 'a whole object'],
    [' '.repeat(4_097), 'more than 4 KiB of nothing'],
    [`{"a":"${'x'.repeat(4_091)}`, 'more than 4 KiB that may begin a refusal'],
  ])('before it has ended: %s', async ([begin = '']) => {
    const seenByCaller = event()
    const set = await setUp((_, response) => {
      response.write(begin)
      void seenByCaller.came.then(() => response.end('rest'))
    })
    // The server ends it only when the caller has it.
    const { body } = await request(`${set.url}/p`, { dispatcher: set.dispatcher })
    seenByCaller.come()
    expect(await body.text()).toBe(`${begin}rest`)
  })

  test('but not while it may be a refusal: 4 KiB of it are held until it ends', async () => {
    const text = `{"a":"${'x'.repeat(4_090)}`
    const sent = event()
    const end = event()
    const set = await setUp((_, response) => {
      response.write(text, () => sent.come())
      void end.came.then(() => response.end())
    })
    let isThere = false
    const asked = request(`${set.url}/p`, { dispatcher: set.dispatcher }).then((answer) => {
      isThere = true
      return answer
    })
    await sent.came
    // Another request and its answer go over the same loop meanwhile.
    const other = await api((_, response) => response.end('x'))
    await (await request(other.url)).body.dump()
    expect(isThere).toBe(false)
    end.come()
    expect(await (await asked).body.text()).toBe(text)
  })

  test('large bodies stream through with backpressure', async () => {
    const size = 64 * 1024 * 1024
    let written = 0
    const set = await setUp((_, response) => {
      const chunk = Buffer.alloc(65_536, 'z')
      const write = (): void => {
        while (written < size) {
          written += chunk.length
          if (!response.write(chunk)) return void response.once('drain', write)
        }
        response.end()
      }
      write()
    })
    const { body } = await request(`${set.url}/p`, { dispatcher: set.dispatcher })
    // Nobody reads yet: what the server could write is what sockets and buffers hold.
    let before = -1
    while (written !== before) {
      before = written
      for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
    }
    expect(written).toBeLessThan(size / 2)
    let read = 0
    for await (const chunk of body) read += Buffer.from(chunk).length
    expect(read).toBe(size)
  })

  test('1xx answers go through at once; their pause holds up nothing', async () => {
    const infos: number[] = []
    const set = await setUp((seen, response) => {
      response.writeEarlyHints({ link: '</a>; rel=preload' })
      response.end(seen.token === 'fake-token-1' ? REFUSAL : OK)
    })
    const { body } = await request(`${set.url}/p`, {
      dispatcher: set.dispatcher,
      onInfo: ({ statusCode }) => infos.push(statusCode),
    })
    expect(await body.text()).toBe(OK)
    expect(infos).toEqual([103, 103])
    set.tokens.rotate('fake-token-1')
    expect(await (await fetch(`${set.url}/p`, { dispatcher: set.dispatcher })).text()).toBe(OK)
  })

  test('an empty answer, and one that breaks off before it is decided, come as they are', async () => {
    const set = await setUp((seen, response) => {
      if (seen.path === '/empty') response.writeHead(204).end()
      else response.writeHead(200, { 'content-length': 50 }).write('{"errcode"', () => response.destroy())
    })
    const empty = await request(`${set.url}/empty`, { dispatcher: set.dispatcher })
    expect([empty.statusCode, await empty.body.text()]).toEqual([204, ''])
    const broken = await request(`${set.url}/broken`, { dispatcher: set.dispatcher })
    expect(broken.statusCode).toBe(200)
    await expect(broken.body.text()).rejects.toMatchObject({ code: 'UND_ERR_SOCKET' })
    expect(set.tokens.rejected).toEqual([])
  })
})

describe('a held answer obeys', () => {
  test.for([
    ['while it is read', '{"errcode"', false],
    ['while `reject` is pending, whole', REFUSAL, true],
    ['while `reject` is pending, and more is to come', REFUSAL, false],
  ] as const)('the caller’s signal %s', async ([, text, isWhole]) => {
    for (const ask of [request, fetch]) {
      const sent = event()
      const set = await setUp((_, response) => {
        response.write(text, () => sent.come())
        if (isWhole) response.end()
      })
      const rejected = event()
      Object.defineProperty(set.tokens, 'reject', {
        value: () => {
          rejected.come()
          return new Promise(() => undefined)
        },
      })
      const stop = new AbortController()
      const reason = new Error('enough')
      const asked = ask(`${set.url}/p`, { dispatcher: set.dispatcher, signal: stop.signal })
      await (text === REFUSAL ? rejected.came : sent.came)
      setImmediate(() => stop.abort(reason))
      await expect(asked).rejects.toBe(reason)
    }
  })

  test('the signal while the second attempt is under way', async () => {
    const second = event()
    const set = await setUp((seen, response) => {
      if (seen.token === 'fake-token-1') response.end(REFUSAL)
      else second.come()
    })
    const stop = new AbortController()
    const reason = new Error('enough')
    const asked = request(`${set.url}/p`, { dispatcher: set.dispatcher, signal: stop.signal })
    void second.came.then(() => stop.abort(reason))
    await expect(asked).rejects.toBe(reason)
  })

  test('bodyTimeout while it is read', async () => {
    const set = await setUp((_, response) => void response.write('{"errcode"'))
    const { body } = await request(`${set.url}/p`, { dispatcher: set.dispatcher, bodyTimeout: 20 })
    await expect(body.text()).rejects.toMatchObject({ code: 'UND_ERR_BODY_TIMEOUT' })
  })

  test('headersTimeout while `reject` is pending: then the refusal is the answer', async () => {
    const set = await setUp((_, response) => response.end(REFUSAL))
    never(set.tokens)
    const { body } = await request(`${set.url}/p`, { dispatcher: set.dispatcher, headersTimeout: 50 })
    expect(await body.text()).toBe(REFUSAL)
    expect(set.seen).toHaveLength(1)
  })

  test('headersTimeout of the second attempt', async () => {
    const set = await setUp((seen, response) => {
      if (seen.token === 'fake-token-1') response.end(REFUSAL)
    })
    const asked = request(`${set.url}/p`, { dispatcher: set.dispatcher, headersTimeout: 50 })
    await expect(asked).rejects.toMatchObject({ code: 'UND_ERR_HEADERS_TIMEOUT' })
  })
})

/** A handler that pauses at the head (or at a 1xx before it) and notes what it hears. */
function noting(set: { readonly url: string; readonly dispatcher: Dispatcher }, pauseAt: number) {
  const heard: string[] = []
  const started = event<Dispatcher.DispatchController>()
  const ended = event()
  const raw: unknown[] = []
  set.dispatcher.dispatch(
    { origin: set.url, path: '/p', method: 'GET' },
    {
      onRequestStart: () => void heard.push('begin'),
      onResponseStart: (controller, status) => {
        heard.push(String(status))
        raw.push(...Object.values(controller.rawHeaders ?? {}).map(String))
        if (status === pauseAt) controller.pause()
        if (status >= 200) started.come(controller)
      },
      onResponseData: (_, chunk) => void heard.push(chunk.toString()),
      onResponseEnd: () => {
        heard.push('end')
        ended.come()
      },
      onResponseError: (_, error) => void heard.push(error.message),
    },
  )
  return { heard, raw, started: started.came, ended: ended.came }
}

const turns = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
}

test.for([
  ['{"a":', '1}', 200],
  ['<html>', '</html>', 200],
  ['<html>', '</html>', 103],
] as const)(
  'a handler hears each thing once, in order, nothing while it has paused: %s%s at %i',
  async (one) => {
    const [begin, rest, pauseAt] = one
    const set = await setUp((_, response) => {
      if (pauseAt === 103) response.writeEarlyHints({ link: '</a>; rel=preload' })
      response.write(begin)
      setImmediate(() => response.end(rest))
    })
    const { heard, started, ended } = noting(set, pauseAt)
    const controller = await started
    await turns()
    const before = pauseAt === 103 ? ['begin', '103', '200'] : ['begin', '200']
    expect(heard).toEqual(before)
    expect(controller.paused).toBe(true)
    controller.resume()
    await ended
    expect(heard.slice(0, before.length)).toEqual(before)
    expect([heard.slice(before.length, -1).join(''), heard.at(-1)]).toEqual([begin + rest, 'end'])
    // Late calls change nothing.
    controller.abort(new Error('late'))
    expect(heard.at(-1)).toBe('end')
  },
)

test('a refusal that is given back while it still comes, to a handler that pauses: in order', async () => {
  const [given, more] = [event(), event()]
  const set = await setUp((_, response) => {
    response.write('{"errcode":40001,')
    void given.came.then(() => response.write('"a":1,', () => more.come()))
    void more.came.then(() => response.end('"b":2}'))
  })
  Object.defineProperty(set.tokens, 'reject', { value: () => Promise.reject(new Error('no')) })
  const { heard, started, ended } = noting(set, 200)
  const controller = await started
  given.come()
  await more.came
  await turns()
  expect(heard).toEqual(['begin', '200'])
  controller.resume()
  await ended
  expect(heard.slice(2, -1).join('')).toBe('{"errcode":40001,"a":1,"b":2}')
})

test('a refusal without end is not taken in while `reject` is pending', async () => {
  const rejected = event()
  let written = 0
  const set = await setUp((_, response) => {
    const chunk = Buffer.alloc(65_536, 'x')
    const write = (): void => {
      while (written < 64 * 1024 * 1024) {
        written += chunk.length
        if (!response.write(chunk)) return void response.once('drain', write)
      }
      response.end()
    }
    response.write('{"errcode":40001,"errmsg":"')
    write()
  })
  Object.defineProperty(set.tokens, 'reject', {
    value: () => (rejected.come(), new Promise(() => undefined)),
  })
  const stop = new AbortController()
  const asked = request(`${set.url}/p`, { dispatcher: set.dispatcher, signal: stop.signal })
  await rejected.came
  let before = -1
  while (written !== before) {
    before = written
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
  }
  expect(written).toBeLessThan(32 * 1024 * 1024)
  stop.abort(new Error('enough'))
  await expect(asked).rejects.toThrow('enough')
})

test('headers as they came over the wire hold no token in a Location, either', async () => {
  const set = await setUp((seen, response) =>
    response.writeHead(302, { location: `/q?access_token=${String(seen.token)}&a=1` }).end(),
  )
  const { raw, ended } = noting(set, 0)
  await ended
  expect(raw).toContain('/q?a=1')
  expect(JSON.stringify(raw)).not.toContain('fake-token')
})

test('a connection that can’t be made fails the request once, without a word to the tokens', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? String(address?.port) : ''
  await new Promise((resolve) => server.close(resolve))
  const agent = new Agent()
  cleanUp(() => agent.destroy())
  const tokens = tokensFor([`http://127.0.0.1:${port}`])
  const dispatcher = agent.compose(tokenInterceptor(tokens))
  await expect(request(`http://127.0.0.1:${port}/p`, { dispatcher })).rejects.toMatchObject({
    code: 'ECONNREFUSED',
  })
  expect(tokens.rejected).toEqual([])
})
