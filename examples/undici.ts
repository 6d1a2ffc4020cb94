import { createServer } from 'node:http'
import { TokenThread, tokenInterceptor } from 'token-thread'
import { Agent, request } from 'undici'

// WECHAT_APPID and WECHAT_APPSECRET are read from the environment; WECHAT_BASE_URL may be a simulator.
const baseUrl = process.env.WECHAT_BASE_URL ?? 'https://api.weixin.qq.com'
const port = Number(process.env.PORT ?? 3000)
const tokens = await TokenThread.start({ baseUrl })

// All requests to WeChat that go through it carry the token; one that is refused is sent once more with the next.
const dispatcher = new Agent().compose(tokenInterceptor(tokens))

async function callWeChat(path: string): Promise<unknown> {
  const { body } = await request(`${baseUrl}${path}`, { dispatcher })
  return body.json()
}

const server = createServer((_request, response) => {
  callWeChat('/cgi-bin/getcallbackip').then(
    (answer) => response.setHeader('content-type', 'application/json').end(JSON.stringify(answer)),
    (error: unknown) => {
      console.error(error)
      response.writeHead(502).end()
    },
  )
})
server.listen(port, () => console.log(`listening on http://localhost:${port}`))

// The server first: a request that is still under way needs its token.
process.once('SIGTERM', () => server.close(() => void Promise.all([dispatcher.close(), tokens.close()])))
