import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** A way to a server of this machine that a test can cut, and on which it can hold an answer. */
export interface TcpProxy {
  readonly port: number
  /** Connections are torn down, new ones too. */
  cut(): void
  /** All connections stay open and carry nothing any more, new ones too: nobody is told. */
  silence(): void
  /** New connections get through; those that were silenced stay so. */
  mend(): void
  /**
   * The next request that contains this text gets to the server, but nothing more comes back on its connection before
   * `release`.
   */
  holdAnswerTo(text: string): HeldAnswer
  remove(): Promise<void>
}

export interface HeldAnswer {
  /** Resolves when the server has answered. */
  readonly answered: Promise<void>
  release(): void
}

interface Hold {
  readonly text: string
  readonly release: Promise<void>
  readonly onAnswer: () => void
}

export async function tcpProxy(target: number): Promise<TcpProxy> {
  let state: 'whole' | 'silent' | 'cut' = 'whole'
  let silences = 0
  let next: Hold | undefined
  const sockets = new Set<Socket>()

  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1')
    let hold: Hold | undefined
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
    if (state === 'cut') {
      client.destroy()
      return
    }
    const born = state === 'silent' ? -1 : silences
    const isSilent = (): boolean => born < silences
    client.on('data', (data) => {
      if (isSilent()) return
      if (next && data.includes(next.text)) {
        hold = next
        next = undefined
      }
      upstream.write(data)
    })
    upstream.on('data', (data) => {
      if (isSilent()) return
      const holding = hold
      if (!holding) return void client.write(data)
      holding.onAnswer()
      void holding.release.then(() => client.write(data))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  const tearDown = (): void => {
    for (const socket of sockets) socket.destroy()
  }

  return {
    port: address.port,
    cut: () => {
      state = 'cut'
      tearDown()
    },
    silence: () => {
      state = 'silent'
      silences += 1
    },
    mend: () => {
      state = 'whole'
    },
    holdAnswerTo: (text) => {
      let release = (): void => undefined
      let onAnswer = (): void => undefined
      const answered = new Promise<void>((resolve) => (onAnswer = resolve))
      next = { text, release: new Promise<void>((resolve) => (release = resolve)), onAnswer }
      return { answered, release }
    },
    remove: async () => {
      tearDown()
      server.close()
      await once(server, 'close')
    },
  }
}
