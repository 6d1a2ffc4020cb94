import { createServer } from 'node:http'
import WechatApi from 'co-wechat-api'
import { TokenThread } from 'token-thread'

// WECHAT_APPID and WECHAT_APPSECRET are read from the environment; WECHAT_BASE_URL may be a simulator.
const baseUrl = process.env.WECHAT_BASE_URL ?? 'https://api.weixin.qq.com'
const port = Number(process.env.PORT ?? 3000)
const tokens = await TokenThread.start({ baseUrl })

/** co-wechat-api on our token: it reads it through its `getToken` hook, and fetches none by itself. */
class Api extends WechatApi {
  constructor() {
    // get() never gives an expired token, so it need not be checked again: the SDK would answer that by a fetch.
    const getToken = () => ({ accessToken: tokens.get(), expireTime: Infinity })
    const saveToken = () => undefined
    // No AppSecret, and "the token comes from elsewhere": a fetch of the SDK's own would retire ours.
    super(process.env.WECHAT_APPID ?? '', '', getToken, saveToken, true)
    this.prefix = `${baseUrl}/cgi-bin/`
  }

  /** A token that WeChat refuses is replaced, once. `saveToken(null)` can't do that: it does not say which one it was. */
  override async request(url: string, opts: WechatApi.RequestOptions = {}): Promise<unknown> {
    try {
      return await super.request(url, opts)
    } catch (error) {
      const token = new URL(url).searchParams.get('access_token')
      if (token === null || !isRefusal(error)) throw error
      const newer = tokens.reject(token)
      // An upload is a stream, which has been read.
      if (!isReplayable(opts)) throw error
      const again = new URL(url)
      again.searchParams.set('access_token', (await newer).accessToken)
      return await super.request(again.href, opts)
    }
  }
}

const refusals: readonly unknown[] = [40001, 40014, 42001]
const isRefusal = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && refusals.includes(error.code)

const isReplayable = ({ data, stream }: WechatApi.RequestOptions): boolean =>
  stream === undefined && (data === undefined || typeof data === 'string' || Buffer.isBuffer(data))

const api = new Api()
const server = createServer((_request, response) => {
  api.getIp().then(
    (answer) => response.setHeader('content-type', 'application/json').end(JSON.stringify(answer)),
    (error: unknown) => {
      // Not the message: the SDK's errors hold the URL, token included.
      console.error('WeChat could not be asked', error instanceof Error && 'code' in error ? error.code : '')
      response.writeHead(502).end()
    },
  )
})
server.listen(port, () => console.log(`listening on http://localhost:${port}`))

// The server first: a request that is still under way needs its token.
process.once('SIGTERM', () => server.close(() => void tokens.close()))
