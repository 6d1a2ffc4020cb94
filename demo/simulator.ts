import { fork } from 'node:child_process'
import { once } from 'node:events'

export interface SimulatedWechat {
  /** Options for a TokenThread that fit its short lives. */
  readonly options: { readonly appId: string; readonly appSecret: string; readonly baseUrl: string }
  /** The API calls that it refused so far. */
  readonly refused: () => Promise<number>
  readonly stop: () => void
}

/** Starts the simulated WeChat and waits until it listens. */
export async function startWechat(): Promise<SimulatedWechat> {
  const child = fork(new URL('./simulator-process.ts', import.meta.url), {
    execArgv: ['--import', import.meta.resolve('tsx')],
  })
  const said: unknown[] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`the simulator did not start (exit code ${String(code)})`)
    }),
  ])
  const [message] = said
  if (!isHello(message)) throw new Error('the simulator said something else than its options')
  const { options } = message
  const refused = async (): Promise<number> => {
    const response = await fetch(new URL('/_control/counters', options.baseUrl))
    const counters: unknown = await response.json()
    if (!hasCounted(counters)) throw new Error('the simulator said something else than its counters')
    return counters.total.apiRefused
  }
  return { options, refused, stop: () => child.disconnect() }
}

function isHello(message: unknown): message is { options: SimulatedWechat['options'] } {
  return typeof message === 'object' && message !== null && 'options' in message
}

function hasCounted(counters: unknown): counters is { total: { apiRefused: number } } {
  return typeof counters === 'object' && counters !== null && 'total' in counters
}
