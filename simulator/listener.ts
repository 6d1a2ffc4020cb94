import { once } from 'node:events'
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'

/** An HTTP server that can go down and come up again on the same port. */
export interface Listener {
  readonly port: number
  /** Who answers; to be called once. */
  serve(handle: (req: IncomingMessage, res: ServerResponse) => void): void
  /** Closes the listening socket and destroys the open ones, at once. */
  down(): void
  /** Listens again; nothing when it does already. */
  up(): Promise<void>
  /** Down, and done when all is closed. */
  close(): Promise<void>
}

export async function listen(host: string, wanted: number): Promise<Listener> {
  // Idle connections stay open for longer than clients keep them: a connection closed under a request on its
  // way would be a fault that nobody injected.
  const server = createServer({ keepAliveTimeout: 65_000 })

  const bind = async (port: number): Promise<void> => {
    server.listen(port, host)
    try {
      await once(server, 'listening')
    } catch (cause) {
      if (isAddressInUse(cause)) {
        const problem = `simulator: port ${port} is in use: stop what listens there, or give another port`
        throw Object.assign(new Error(problem, { cause }), { code: 'EADDRINUSE' })
      }
      throw cause
    }
  }

  await bind(wanted)
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : wanted
  let closing: Promise<void> = Promise.resolve()

  const down = (): void => {
    if (!server.listening) return
    closing = new Promise((resolve) => server.close(() => resolve()))
    server.closeAllConnections()
  }

  return {
    port,
    serve: (handle) => server.on('request', handle),
    down,
    async up() {
      await closing
      if (!server.listening) await bind(port)
    },
    async close() {
      down()
      await closing
    },
  }
}

const isAddressInUse = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
