import { Child } from './child.js'
import { isAccount, isListening, isServerReport, isWechatReport } from './messages.js'
import { handlerSettings } from './mix.js'
import type { Mode } from './options.js'
import type { Samples } from './samples.js'
import { traffic } from './traffic.js'

/** One run of a mode, as measured. */
export interface RunResult {
  readonly mode: Mode
  readonly samples: Samples
  /** Requests that had to wait for their token, or found none. */
  readonly waited: number
  /** Calls of the server's that WeChat refused because of their token. */
  readonly refused: number
  /** Token calls; the first one was before. */
  readonly fetches: number
  /** When WeChat issued a new token, ms from the first sample. */
  readonly rotations: readonly number[]
  /** What else went wrong: none is expected. */
  readonly errors: readonly string[]
}

export interface RunOptions {
  readonly connections: number
  readonly warmUp: number
  readonly measure: number
  readonly signal: AbortSignal
  readonly onProgress: (requestsPerSecond: number) => void
}

/** s; as long as the tokens live, and longer than any run. */
const SHORT_LIFE = 3
const LONG_LIFE = 100_000

/** Starts a server that keeps its token in this way, and puts the load on it. */
export async function run(mode: Mode, wechat: Child, options: RunOptions): Promise<RunResult> {
  const { signal } = options
  const expiresIn = mode === 'constant' ? LONG_LIFE : SHORT_LIFE
  const { account } = await wechat.ask({ type: 'account', expiresIn }, isAccount)
  const server = new Child('./server-process.ts', `the server (${mode})`)
  const kill = (): void => server.kill()
  signal.addEventListener('abort', kill)
  try {
    const handler = handlerSettings(account.appId, account.baseUrl)
    const { port } = await server.ask({ type: 'start', mode, account, handler }, isListening)
    const { startedAt, samples, failed } = await traffic({ ...options, port, appId: account.appId })
    const { waited, errors } = await server.ask({ type: 'report' }, isServerReport)
    const { tokenCalls, refused } = await wechat.ask({ type: 'report' }, isWechatReport)
    const within = (at: number): boolean => at >= startedAt && at < startedAt + samples.ms
    const fetches = tokenCalls.filter(({ at }) => within(at))
    return {
      mode,
      samples,
      waited: waited.filter(within).length,
      refused: refused.filter(within).length,
      fetches: fetches.length,
      rotations: fetches.filter(({ issued }) => issued).map(({ at }) => at - startedAt),
      errors: [...[...failed].map(([what, count]) => `${count} x ${what}`), ...errors],
    }
  } finally {
    signal.removeEventListener('abort', kill)
    await server.stop()
  }
}
