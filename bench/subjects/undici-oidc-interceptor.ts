import { Agent, request } from 'undici'
import { createOidcInterceptor } from 'undici-oidc-interceptor'
import { PERIOD, type Subject } from '../subject.js'
import { startOauthServer } from '../token-server.js'

/** It begins to fetch, beside the requests, 30 s before a token's end, and lets them wait from 10 s before it on. */
const MARGIN = 30

/**
 * undici-oidc-interceptor with client credentials. It gives nobody a token, it puts it into requests: a read is a
 * request that is taken, with its token, from the interceptor's hands before it is sent.
 */
export const undiciOidcInterceptor: Subject = {
  name: 'undici-oidc-interceptor',
  serve: (lives, tokenCall) =>
    startOauthServer({
      expiresIn: lives === 'short' ? MARGIN + PERIOD / 1000 : 7200,
      tokenCall,
    }),
  start(url) {
    const interceptor = createOidcInterceptor({
      idpTokenUrl: `${url}/token`,
      clientId: 'client',
      clientSecret: 'secret',
      urls: [url],
      retryOnStatusCodes: [401],
    })
    const agent = new Agent().compose(interceptor)
    const read = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const taking = interceptor(({ headers }) => {
          resolve(authorizationIn(headers))
          return true
        })
        taking(
          { origin: url, path: '/api', method: 'GET', headers: {} },
          { onResponseError: (_controller, error) => reject(error) },
        )
      })
    return {
      first: read,
      read,
      async request() {
        const { statusCode, body } = await request(`${url}/api`, { dispatcher: agent })
        await body.dump()
        return statusCode === 200
      },
      close: () => agent.close(),
    }
  },
}

const authorizationIn = (headers: unknown): string =>
  typeof headers === 'object' && headers !== null && 'authorization' in headers
    ? String(headers.authorization)
    : ''
