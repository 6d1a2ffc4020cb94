import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import {
  bearerTokenAuthenticationPolicy,
  createDefaultHttpClient,
  createEmptyPipeline,
  createPipelineRequest,
  type HttpClient,
} from '@azure/core-rest-pipeline'
import { Agent, type Dispatcher, request } from 'undici'
import { startSimulator } from '../simulator/index.js'
import { tokenInterceptor, TokenThread } from '../src/index.js'
import { median } from './figures.js'
import type { Report, Row } from './report.js'

/**
 * Requests per second with an interceptor and without, in alternating rounds against a server in another process. Each
 * is compared with its own client without it, in the same round; undici alone runs twice a round: the difference is the
 * noise. Its requests carry the same token, put in by hand: the same bytes travel.
 */

const REQUESTS = 4_000
const CONCURRENT = 50
const ROUNDS = 15
const WARM_UP = 3

const PLAIN = 'undici alone'
const IDLE = 'undici with an interceptor that does nothing'
const OURS = 'undici with tokenInterceptor, query'
const AZURE = 'core-rest-pipeline alone'

interface Way {
  /** What it is compared with. */
  readonly beside: string
  readonly send: () => Promise<unknown>
}

/** Sends REQUESTS with CONCURRENT at a time; per second. */
async function rate(send: Way['send']): Promise<number> {
  let left = REQUESTS
  const began = process.hrtime.bigint()
  const line = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      await send()
    }
  }
  await Promise.all(Array.from({ length: CONCURRENT }, line))
  return REQUESTS / (Number(process.hrtime.bigint() - began) / 1e9)
}

async function measure(ways: Readonly<Record<string, Way>>): Promise<Row[]> {
  const rates = new Map<string, number[]>(Object.keys(ways).map((name) => [name, []]))
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    // In turn forwards and backwards, so that none always comes first.
    const order = Object.entries(ways)
    if (round % 2 !== 0) order.reverse()
    for (const [name, { send }] of order) {
      const found = await rate(send)
      if (round >= 0) rates.get(name)?.push(found)
    }
  }
  return Object.entries(ways).map(([name, { beside }]) => {
    const own = rates.get(name) ?? []
    const other = rates.get(beside) ?? []
    return {
      name,
      figures: {
        'requests/s': Math.round(median(own)),
        '% of its client alone': 100 * median(own.map((one, round) => one / (other[round] ?? NaN))),
      },
    }
  })
}

const by = (dispatcher: Dispatcher, url: string) => async (): Promise<void> => {
  const { body } = await request(url, { dispatcher })
  await body.text()
}

/** undici-oidc-interceptor has no types. */
function oidcInterceptor(url: string): Dispatcher.DispatcherComposeInterceptor {
  const loaded: unknown = createRequire(import.meta.url)('undici-oidc-interceptor')
  const create: unknown = Reflect.get(Object(loaded), 'createOidcInterceptor')
  if (typeof create !== 'function') throw new Error('undici-oidc-interceptor exports something else')
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')
  const exp = Math.floor(Date.now() / 1_000) + 7_200
  const accessToken = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ exp })}.${encode({})}`
  const options = { accessToken, idpTokenUrl: `${url}/token`, clientId: 'bench', urls: [url] }
  const interceptor: unknown = Reflect.apply(create, undefined, [options])
  if (!isInterceptor(interceptor)) throw new Error('undici-oidc-interceptor made something else')
  return interceptor
}

function isInterceptor(value: unknown): value is Dispatcher.DispatcherComposeInterceptor {
  return typeof value === 'function'
}

/** Its policy wants https, which would measure TLS: the client below it goes on over http, for both. */
function azure(url: string, hasToken: boolean): Way['send'] {
  const client = createDefaultHttpClient()
  const plain: HttpClient = {
    sendRequest(asked) {
      asked.url = asked.url.replace('https:', 'http:')
      asked.allowInsecureConnection = true
      return client.sendRequest(asked)
    },
  }
  const pipeline = createEmptyPipeline()
  const token = { token: 'x'.repeat(136), expiresOnTimestamp: Date.now() + 7_200_000 }
  const credential = { getToken: () => Promise.resolve(token) }
  if (hasToken) pipeline.addPolicy(bearerTokenAuthenticationPolicy({ credential, scopes: 'bench' }))
  return () => pipeline.sendRequest(plain, createPipelineRequest({ url: url.replace('http:', 'https:') }))
}

export async function interceptor(): Promise<Report> {
  const server = fork(new URL('./api-server-process.js', import.meta.url))
  const heard: readonly unknown[] = await once(server, 'message')
  const url = heard[0]
  if (typeof url !== 'string') throw new Error('the API server said something else')
  const sim = await startSimulator({ accounts: [{ appId: 'wx', appSecret: 'secret' }] })
  const tokens = await TokenThread.start({ ...sim.options('wx'), logger: false })
  const agents = Array.from({ length: 6 }, () => new Agent({ connections: CONCURRENT }))
  const [a, b, c, d, e, f] = agents
  if (!a || !b || !c || !d || !e || !f) throw new Error('there are six agents')
  const origins = [url]
  const call = `${url}/cgi-bin/get_api_domain_ip?x=1`
  const byHand = `${call}&access_token=${tokens.get()}`
  const rows = await measure({
    [PLAIN]: { beside: PLAIN, send: by(a, byHand) },
    [OURS]: { beside: PLAIN, send: by(b.compose(tokenInterceptor(tokens, { origins })), call) },
    [IDLE]: {
      beside: PLAIN,
      send: by(
        f.compose((next) => (opts, handler) => next(opts, handler)),
        byHand,
      ),
    },
    'undici alone, again': { beside: PLAIN, send: by(c, byHand) },
    'undici with tokenInterceptor, bearer': {
      beside: PLAIN,
      send: by(d.compose(tokenInterceptor(tokens, { origins, scheme: 'bearer' })), call),
    },
    'undici with undici-oidc-interceptor': { beside: PLAIN, send: by(e.compose(oidcInterceptor(url)), call) },
    [AZURE]: { beside: AZURE, send: azure(call, false) },
    'core-rest-pipeline with bearerTokenAuthenticationPolicy': { beside: AZURE, send: azure(call, true) },
  })
  await Promise.all([...agents.map((agent) => agent.destroy()), tokens.close()])
  await sim.close()
  const exit = once(server, 'exit')
  server.disconnect()
  await exit
  const share = (name: string): number =>
    rows.find((row) => row.name === name)?.figures['% of its client alone'] ?? NaN
  return {
    bench: 'interceptor',
    tables: [{ title: `${REQUESTS} requests, ${CONCURRENT} at a time, median of ${ROUNDS} rounds`, rows }],
    // 95 % of the requests/s is 1 / 0.95 of the time. undici 7 itself turns each answer's headers to and fro for any interceptor.
    aims: [
      {
        what: 'the time of a request with tokenInterceptor beside one without',
        ratio: 100 / share(OURS),
        limit: 1 / 0.95,
      },
      {
        what: 'the same beside an interceptor that does nothing',
        ratio: share(IDLE) / share(OURS),
        limit: 1 / 0.95,
      },
    ],
  }
}
