import { createServer } from 'node:http'

/** An API that answers at once, in a process of its own: what is measured is the client. */

const ANSWER = '{"errcode":0,"errmsg":"ok","ip_list":["127.0.0.1","127.0.0.2"]}'

const server = createServer((request, response) => {
  request.resume()
  response.setHeader('content-type', 'application/json')
  response.end(ANSWER)
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  process.send?.(`http://127.0.0.1:${port}`)
})
process.on('disconnect', () => process.exit())
