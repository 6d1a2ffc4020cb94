import { UserRefreshClient } from 'google-auth-library'
import { PERIOD, type Subject } from '../subject.js'
import { startOauthServer } from '../token-server.js'

/** Its margin: it waits for a new token that long before the old one ends. Its own default is 5 minutes. */
const MARGIN = 1_000

/** google-auth-library's OAuth2 client with a refresh token, told to refresh when an API refuses the token, too. */
export const googleAuthLibrary: Subject = {
  name: 'google-auth-library',
  serve: (lives, tokenCall) =>
    startOauthServer({
      expiresIn: lives === 'short' ? (MARGIN + PERIOD) / 1000 : 7200,
      tokenCall,
    }),
  start(url) {
    const client = new UserRefreshClient({
      clientId: 'client',
      clientSecret: 'secret',
      refreshToken: 'refresh-token',
      endpoints: { oauth2TokenUrl: `${url}/token` },
      eagerRefreshThresholdMillis: MARGIN,
      forceRefreshOnFailure: true,
    })
    const read = async (): Promise<string> => (await client.getAccessToken()).token ?? ''
    return {
      first: read,
      read,
      request: async () => (await client.request({ url: `${url}/api` })).status === 200,
      close: () => undefined,
    }
  },
}
