import { fork } from 'node:child_process'
import { once } from 'node:events'

/** The simulator in a process of its own: what blocks the bench does not block it. Its AppSecrets are `secret`. */
export interface TokenServer {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  /** The token requests so far, in order. */
  arrivals(): Promise<readonly Arrival[]>
  close(): Promise<void>
}

/** As of the simulator; durations in seconds. */
export interface TokenServerOptions {
  readonly appIds: readonly string[]
  readonly expiresIn: number
  readonly renewalWindow: number
  readonly overlap: number
  readonly gzip: boolean
}

export interface Arrival {
  readonly appId: string
  /** When the request was there, whole: ms since the epoch. Wall clocks of one machine's processes are one clock. */
  readonly at: number
}

export type FromTokenServer =
  | { readonly type: 'listening'; readonly url: string }
  | { readonly type: 'report'; readonly arrivals: readonly Arrival[] }

export async function startTokenServer(options: TokenServerOptions): Promise<TokenServer> {
  const child = fork(new URL('./token-server-process.js', import.meta.url), [
    ...options.appIds.flatMap((appId) => ['--account', appId]),
    ...['--expires-in', String(options.expiresIn)],
    ...['--renewal-window', String(options.renewalWindow)],
    ...['--overlap', String(options.overlap)],
    ...(options.gzip ? ['--gzip'] : []),
  ])
  const heard = (): Promise<FromTokenServer> =>
    new Promise((resolve, reject) => {
      const onExit = (): void => reject(new Error('the token server has ended'))
      child.once('exit', onExit)
      child.once('message', (message: unknown) => {
        child.off('exit', onExit)
        if (isFromTokenServer(message)) resolve(message)
        else reject(new Error('the token server said something else'))
      })
    })
  const first = await heard()
  if (first.type !== 'listening') throw new Error('the token server does not listen')
  return {
    url: first.url,
    async arrivals() {
      child.send('report')
      const report = await heard()
      return report.type === 'report' ? report.arrivals : []
    },
    async close() {
      const exit = once(child, 'exit')
      child.disconnect()
      await exit
    },
  }
}

function isFromTokenServer(message: unknown): message is FromTokenServer {
  return typeof message === 'object' && message !== null && 'type' in message
}
