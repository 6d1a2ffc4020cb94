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
import { type Way, WAYS } from './interceptor-ways.js'

/**
 * One way to send requests, in a process of its own, as a program has one: several in one process would share their
 * compiled code and their garbage. It sends a batch whenever its parent says so.
 */

const CONCURRENT = 50

type Send = () => Promise<unknown>

const by =
  (dispatcher: Dispatcher, url: string): Send =>
  async () => {
    const { body } = await request(url, { dispatcher })
    await body.text()
  }

async function senderOf(way: Way, api: string): Promise<Send> {
  const agent = new Agent({ connections: CONCURRENT })
  const url = `${api}/cgi-bin/get_api_domain_ip?x=1`
  // As long as WeChat's, and put in by hand: the same bytes travel.
  const byHand = `${url}&access_token=${'x'.repeat(136)}`
  switch (way) {
    case 'undici alone':
      return by(agent, byHand)
    case 'undici with an interceptor that does nothing':
      return by(
        agent.compose((next) => (opts, handler) => next(opts, handler)),
        byHand,
      )
    case 'undici with tokenInterceptor, query':
      return by(agent.compose(tokenInterceptor(await tokens(), { origins: [api] })), url)
    case 'undici with tokenInterceptor, bearer':
      return by(agent.compose(tokenInterceptor(await tokens(), { origins: [api], scheme: 'bearer' })), url)
    case 'undici with undici-oidc-interceptor':
      return by(agent.compose(oidcInterceptor(api)), url)
    case 'core-rest-pipeline alone':
      return azure(url, false)
    case 'core-rest-pipeline with bearerTokenAuthenticationPolicy':
      return azure(url, true)
  }
}

async function tokens(): Promise<TokenThread> {
  const sim = await startSimulator({ accounts: [{ appId: 'wx', appSecret: 'secret' }] })
  return TokenThread.start({ ...sim.options('wx'), logger: false })
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
function azure(url: string, hasToken: boolean): Send {
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

/** Sends so many, CONCURRENT at a time; per second. */
async function rate(send: Send, requests: number): Promise<number> {
  let left = requests
  const began = process.hrtime.bigint()
  const line = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      await send()
    }
  }
  await Promise.all(Array.from({ length: CONCURRENT }, line))
  return requests / (Number(process.hrtime.bigint() - began) / 1e9)
}

const [name, api = ''] = process.argv.slice(2)
const way = WAYS.find((one) => one === name)
if (way === undefined) throw new Error('this file is a process of the bench')
const send = await senderOf(way, api)
process.on('message', (requests: number) => {
  void rate(send, requests).then((found) => process.send?.(found))
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
