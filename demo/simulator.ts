import { fork } from 'node:child_process'
import { once } from 'node:events'

export interface SimulatedWechat {
  /** Options for a TokenThread that fit its short lives. */
  readonly options: { readonly appId: string; readonly appSecret: string; readonly baseUrl: string }
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
  return { options: message.options, stop: () => child.disconnect() }
}

function isHello(message: unknown): message is { options: SimulatedWechat['options'] } {
  return typeof message === 'object' && message !== null && 'options' in message
}
