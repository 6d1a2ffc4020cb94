import { fastify } from 'fastify'
import { TokenThread } from 'token-thread'

// WECHAT_APPID and WECHAT_APPSECRET are read from the environment; WECHAT_BASE_URL may be a simulator.
const baseUrl = process.env.WECHAT_BASE_URL ?? 'https://api.weixin.qq.com'
const port = Number(process.env.PORT ?? 3000)
const tokens = await TokenThread.start({ baseUrl })

/** One call of the WeChat API; a token that it refuses is replaced, once. */
async function callWeChat(path: string): Promise<unknown> {
  const token = tokens.get()
  const answer = await send(path, token)
  if (!isRefusal(answer)) return answer
  const newer = await tokens.reject(token)
  return send(path, newer.accessToken)
}

async function send(path: string, token: string): Promise<unknown> {
  const response = await fetch(`${baseUrl}${path}?access_token=${token}`)
  return response.json()
}

const refusals: readonly unknown[] = [40001, 40014, 42001]
const isRefusal = (answer: unknown): boolean =>
  typeof answer === 'object' && answer !== null && 'errcode' in answer && refusals.includes(answer.errcode)

const app = fastify()
app.get('/', () => callWeChat('/cgi-bin/getcallbackip'))
// Fastify calls it when the last request has been answered.
app.addHook('onClose', () => tokens.close())
await app.listen({ port })
console.log(`listening on http://localhost:${port}`)

process.once('SIGTERM', () => void app.close())
