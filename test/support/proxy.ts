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
export interface SilentHost {
  readonly url: string
  readonly port: number
  readonly connections: () => number
  /** Resolves when none of its connections is open any more. */
  readonly left: () => Promise<void>
}

export async function silentHost(): Promise<SilentHost> {
  let connections = 0
  const open = new Set<object>()
  let onLeft = (): void => undefined
  const server = createNetServer((socket) => {
    connections += 1
    open.add(socket)
    socket.on('close', () => {
      open.delete(socket)
      if (open.size === 0) onLeft()
    })
    socket.resume()
    socket.on('error', () => socket.destroy())
    cleanUp(() => socket.destroy())
  })
  const port = await listening(server)
  cleanUp(() => server.close())
  return {
    url: `http://127.0.0.1:${String(port)}`,
    port,
    connections: () => connections,
    left: () => new Promise((resolve) => (open.size === 0 ? resolve() : (onLeft = resolve))),
  }
}

async function listening(server: ReturnType<typeof createNetServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address: AddressInfo | string | null = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  return address.port
}
