import type { AccessToken, TokenCredential } from '@azure/core-auth'
import {
  bearerTokenAuthenticationPolicy,
  createHttpHeaders,
  createPipelineRequest,
  type PipelineResponse,
  type SendRequest,
} from '@azure/core-rest-pipeline'
import { PERIOD, type Subject } from '../subject.js'
import { startOauthServer } from '../token-server.js'

/** It begins to fetch, beside the requests, 2 minutes before a token's end, and lets them wait from 1 s before it on. */
const MARGIN = 120

/**
 * Azure's bearerTokenAuthenticationPolicy with a credential that asks for client credentials. As it gives nobody a
 * token either, a read is a request that is taken from its hands with its token. It is for https only: its requests
 * name an https URL, and the last step, which is the caller's, sends them by `fetch` over http.
 */
export const azureBearerTokenPolicy: Subject = {
  name: 'Azure bearerTokenAuthenticationPolicy',
  serve: (lives, tokenCall) =>
    startOauthServer({ expiresIn: lives === 'short' ? MARGIN + PERIOD / 1000 : 7200, tokenCall }),
  start(url) {
    const policy = bearerTokenAuthenticationPolicy({ credential: credentialOf(url), scopes: 'scope' })
    const send = (next: SendRequest): Promise<PipelineResponse> =>
      policy.sendRequest(createPipelineRequest({ url: 'https://api.example/api' }), next)
    const read = async (): Promise<string> => {
      let token = ''
      await send((request) => {
        token = request.headers.get('authorization') ?? ''
        return Promise.resolve({ request, status: 200, headers: createHttpHeaders() })
      })
      return token
    }
    return {
      first: read,
      read,
      async request() {
        const { status } = await send(async (request) => {
          const headers = { authorization: request.headers.get('authorization') ?? '' }
          const answer = await fetch(`${url}/api`, { headers })
          await answer.text()
          return {
            request,
            status: answer.status,
            headers: createHttpHeaders(Object.fromEntries(answer.headers)),
          }
        })
        return status === 200
      },
      close: () => undefined,
    }
  },
}

const credentialOf = (url: string): TokenCredential => ({
  async getToken(): Promise<AccessToken> {
    const began = Date.now()
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: 'client',
      client_secret: 'secret',
    })
    const answer: unknown = await (await fetch(`${url}/token`, { method: 'POST', body })).json()
    if (!isTokenAnswer(answer)) throw new Error('no token')
    return { token: answer.access_token, expiresOnTimestamp: began + answer.expires_in * 1000 }
  },
})

interface TokenAnswer {
  readonly access_token: string
  readonly expires_in: number
}

function isTokenAnswer(answer: unknown): answer is TokenAnswer {
  return typeof answer === 'object' && answer !== null && 'access_token' in answer
}
