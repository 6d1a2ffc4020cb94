import { fork } from 'node:child_process'
import { once } from 'node:events'

/** A token server in a process of its own: what blocks the bench does not block it. */
export interface TokenServer {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  /** The token requests so far, in order. */
  arrivals(): Promise<readonly Arrival[]>
  /** From now on the API refuses the tokens that were given out. */
  revoke(): Promise<void>
  close(): Promise<void>
}

/** As of the simulator; durations in seconds. */
export interface TokenServerOptions {
  readonly appIds: readonly string[]
  readonly expiresIn: number
  readonly renewalWindow: number
  readonly overlap: number
  readonly gzip: boolean
  /** ms that each token call takes. Default: 0. */
  readonly tokenCall?: number
  /** Classic fetches a day. Default: 2000. */
  readonly dailyLimit?: number
}

export interface OauthServerOptions {
  /** Seconds. */
  readonly expiresIn: number
  /** ms */
  readonly tokenCall: number
}

export interface Arrival {
  readonly appId: string
  /** When the request was there, whole: ms since the epoch. Wall clocks of one machine's processes are one clock. */
  readonly at: number
}

/** Each is answered by a `report`. */
export type ToTokenServer = 'report' | 'revoke'

export type FromTokenServer =
  | { readonly type: 'listening'; readonly url: string }
  | { readonly type: 'report'; readonly arrivals: readonly Arrival[] }

/** The simulator. Its AppSecrets are `secret`. */
export function startTokenServer(options: TokenServerOptions): Promise<TokenServer> {
  const { appIds, expiresIn, renewalWindow, overlap, gzip, tokenCall = 0, dailyLimit = 2000 } = options
  return start('token-server-process', [
    ...appIds.flatMap((appId) => ['--account', appId]),
    ...['--expires-in', String(expiresIn)],
    ...['--renewal-window', String(renewalWindow)],
    ...['--overlap', String(overlap)],
    ...['--token-call', String(tokenCall)],
    ...['--daily-limit', String(dailyLimit)],
    ...(gzip ? ['--gzip'] : []),
  ])
}

/** OAuth 2.0: `POST /token`, whatever the grant, gives a JWT; `GET /api` answers 401 to a token that was revoked. */
export function startOauthServer(options: OauthServerOptions): Promise<TokenServer> {
  return start('oauth-server-process', [
    ...['--expires-in', String(options.expiresIn)],
    ...['--token-call', String(options.tokenCall)],
  ])
}

async function start(file: string, args: readonly string[]): Promise<TokenServer> {
  const child = fork(new URL(`./${file}.js`, import.meta.url), args)
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
  const ask = async (message: ToTokenServer): Promise<readonly Arrival[]> => {
    child.send(message)
    const report = await heard()
    return report.type === 'report' ? report.arrivals : []
  }
  const first = await heard()
  if (first.type !== 'listening') throw new Error('the token server does not listen')
  return {
    url: first.url,
    arrivals: () => ask('report'),
    async revoke() {
      await ask('revoke')
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
