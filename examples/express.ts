import express from 'express'
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

const app = express()
app.get('/', async (_request, response) => {
  response.json(await callWeChat('/cgi-bin/getcallbackip'))
})
const server = app.listen(port, (error) => {
  if (error) throw error
  console.log(`listening on http://localhost:${port}`)
})

// The server first: a request that is still under way needs its token.
process.once('SIGTERM', () => server.close(() => void tokens.close()))
