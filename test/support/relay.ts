import { connect, createServer, type Socket } from 'node:net'
import { cleanUp } from './cleanup.js'

/** A network between a client and a server on this machine, which can lose connections without a word. */
export interface Relay {
  readonly port: number
  /** What is open stays open and carries nothing any more; new connections are carried. */
  freeze(): void
}

export async function relay(port: number): Promise<Relay> {
  const open = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    client.pipe(upstream).pipe(client)
    for (const socket of [client, upstream]) {
      open.add(socket)
      socket.on('error', () => socket.destroy())
      cleanUp(() => socket.destroy())
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanUp(() => server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  return {
    port: address.port,
    freeze: () => {
      for (const socket of open) socket.unpipe().pause()
      open.clear()
    },
  }
}
