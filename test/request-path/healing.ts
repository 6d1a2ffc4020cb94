import { Agent, type Dispatcher, request } from 'undici'
import { tokenInterceptor, type TokenInterceptorOptions } from '../../src/index.js'
import type { FakeTokens } from '../../testing/index.js'
import { cleanUp } from '../support/cleanup.js'
import { type Answer, type Api, api, tokensFor } from './help.js'

/** An API, an account's tokens, and a client that carries them there. */
export async function setUp(
  answer: Answer,
  options: TokenInterceptorOptions = {},
  side: Parameters<typeof tokensFor>[1] = {},
): Promise<Api & { readonly tokens: FakeTokens; readonly dispatcher: Dispatcher }> {
  const there = await api(answer)
  const agent = new Agent()
  cleanUp(() => agent.destroy())
  const tokens = tokensFor([there.url], side)
  return {
    ...there,
    tokens,
    dispatcher: agent.compose(tokenInterceptor(tokens, { logger: false, ...options })),
  }
}

/** undici takes more bodies than its types say. */
export const ask = (url: string, options: object): ReturnType<typeof request> => request(url, options)

export const tokensOf = ({ seen }: Api): (string | null)[] => seen.map(({ token }) => token)
/** A healed request was sent with these. */
export const BOTH = ['fake-token-1', 'fake-token-2']
