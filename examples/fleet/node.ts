import { createServer } from 'node:http'
import { hostname } from 'node:os'
import { TokenThread } from 'token-thread'

// One process of a fleet: all that are given the same REDIS_URL share one token, and make one fetch a rotation.
const baseUrl = process.env.WECHAT_BASE_URL ?? 'https://api.weixin.qq.com'
const url = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379'
const port = Number(process.env.PORT ?? 3000)
const tokens = await TokenThread.start({ baseUrl, store: { kind: 'redis', url } })

const server = createServer((_request, response) => {
  const { state, generation, expiresAt, fetchesToday, store, servedFirst } = tokens.status()
  const answer = {
    node: `${hostname()}:${port}`,
    state,
    generation,
    expiresAt,
    fetchesToday,
    store,
    servedFirst,
  }
  response.setHeader('content-type', 'application/json').end(`${JSON.stringify(answer)}\n`)
})
server.listen(port, () => console.log(`listening on http://localhost:${port}`))

process.once('SIGTERM', () => server.close(() => void tokens.close()))
