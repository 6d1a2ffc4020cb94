import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, createServer as createNetServer } from 'node:net'
import { cleanUp } from './cleanup.js'

export interface Proxy {
  readonly url: string
  /** What each CONNECT asked for, and with which credentials. */
  readonly asked: { readonly target: string | undefined; readonly credentials: string | undefined }[]
}

/** An HTTP proxy that tunnels, as a company has one. */
export async function proxy(): Promise<Proxy> {
  const asked: Proxy['asked'] = []
  const server = createServer()
  server.on('connect', (request: IncomingMessage, client) => {
    asked.push({ target: request.url, credentials: request.headers['proxy-authorization'] })
    const [host = '', port = ''] = (request.url ?? '').split(':')
    const upstream = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      upstream.pipe(client).pipe(upstream)
    })
    for (const socket of [client, upstream]) socket.on('error', () => socket.destroy())
  })
  const port = await listening(server)
  cleanUp(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${String(port)}`, asked }
}

/** A port on which nobody listens. */
export async function deadPort(): Promise<number> {
  const server = createNetServer()
  const port = await listening(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Takes connections and never says a word, as a host behind a broken load balancer. */
export async function silentHost(): Promise<{ readonly url: string; readonly connections: () => number }> {
  let connections = 0
  const server = createNetServer((socket) => {
    connections += 1
    socket.on('error', () => socket.destroy())
    cleanUp(() => socket.destroy())
  })
  const port = await listening(server)
  cleanUp(() => server.close())
  return { url: `http://127.0.0.1:${String(port)}`, connections: () => connections }
}

async function listening(server: ReturnType<typeof createNetServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address: AddressInfo | string | null = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  return address.port
}
