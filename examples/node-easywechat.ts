import { createServer } from 'node:http'
import AccessTokenInterface from 'node-easywechat/dist/Core/Contracts/AccessTokenInterface.js'
import { OfficialAccount, type OfficialAccountConfig } from 'node-easywechat'
import { TokenThread } from 'token-thread'

// node-easywechat 3.6 loads with node-socialite 1.4 only: "overrides": { "node-socialite": "1.4.1" } in your package.json.
// WECHAT_APPID and WECHAT_APPSECRET are read from the environment; WECHAT_BASE_URL may be a simulator.
const baseUrl = process.env.WECHAT_BASE_URL ?? 'https://api.weixin.qq.com'
const port = Number(process.env.PORT ?? 3000)
const tokens = await TokenThread.start({ baseUrl })

/** The SDK's access token, read from ours. It has no `refresh`: nobody but the thread fetches. */
class SharedAccessToken extends AccessTokenInterface {
  override getToken(): Promise<string> {
    // In `then`, so that without a token the promise is rejected.
    return Promise.resolve().then(() => tokens.get())
  }

  override async toQuery(): Promise<{ access_token: string }> {
    return { access_token: await this.getToken() }
  }
}

type Retry = NonNullable<NonNullable<OfficialAccountConfig['http']>['retry']>

/** A token that WeChat refuses is replaced, once; the second answer is the caller's, whatever it says. */
const retry: Retry = {
  retries: 1,
  validateResponse({ data, config }) {
    if (!isRefusal(data) || config['axios-retry']?.retryCount === 1) return true
    if (isReplayable(config.data)) return false
    // An upload is a stream, which has been read: its caller has the refusal, the next one a new token.
    void tokens.reject(tokenOf(config.params))
    return true
  },
  retryCondition: ({ response }) => isRefusal(response?.data),
  async onRetry(_count, _error, config) {
    const params: unknown = config.params
    const newer = await tokens.reject(tokenOf(params))
    config.params = Object.assign({}, params, { access_token: newer.accessToken })
  },
}

const refusals: readonly unknown[] = [40001, 40014, 42001]
const isRefusal = (answer: unknown): boolean =>
  typeof answer === 'object' && answer !== null && 'errcode' in answer && refusals.includes(answer.errcode)

const isReplayable = (body: unknown): boolean =>
  body === undefined || typeof body === 'string' || Buffer.isBuffer(body)

function tokenOf(params: unknown): string {
  const isQuery = typeof params === 'object' && params !== null && 'access_token' in params
  return isQuery && typeof params.access_token === 'string' ? params.access_token : ''
}

// No AppSecret: a fetch of the SDK's own would retire our token.
const app = new OfficialAccount({
  app_id: process.env.WECHAT_APPID ?? '',
  secret: '',
  http: { baseURL: baseUrl, retry },
})
app.setAccessToken(new SharedAccessToken())

const server = createServer((_request, response) => {
  app
    .getClient()
    .get('cgi-bin/getcallbackip')
    .then(
      (answer) => response.setHeader('content-type', 'application/json').end(answer.toJson()),
      (error: unknown) => {
        // Not the error itself: axios puts the request in it, token included.
        console.error(
          'WeChat could not be asked',
          error instanceof Error && 'code' in error ? error.code : '',
        )
        response.writeHead(502).end()
      },
    )
})
server.listen(port, () => console.log(`listening on http://localhost:${port}`))

// The server first: a request that is still under way needs its token.
process.once('SIGTERM', () => server.close(() => void tokens.close()))
