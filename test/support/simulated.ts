import type { TokenThreadOptions } from '../../src/options.js'
import { type Runtime, systemRuntime } from '../../src/runtime.js'
import { TokenThread } from '../../src/token-thread.js'
import { type Simulator, type SimulatorOptions, startSimulator } from '../../simulator/index.js'
import { cleanUp } from './cleanup.js'

export const APP_ID = 'wx0123456789abcdef'
export const APP_SECRET = 'the-secret-of-this-account-0123'

/** A simulator that ends with the test. */
export async function simulator(options: Partial<SimulatorOptions> = {}): Promise<Simulator> {
  const sim = await startSimulator({ accounts: [{ appId: APP_ID, appSecret: APP_SECRET }], ...options })
  cleanUp(() => sim.close())
  return sim
}

/** Options for the simulator, with a short floor: a test waits for events, not for a second. */
export function optionsFor(sim: Simulator, more: TokenThreadOptions = {}): TokenThreadOptions {
  return { ...sim.options(APP_ID), retry: { minDelay: 5, maxDelay: 50 }, logger: false, ...more }
}

/** A started TokenThread that ends with the test. */
export async function threadOn(
  sim: Simulator,
  more: TokenThreadOptions = {},
  runtime: Partial<Runtime> = {},
): Promise<TokenThread> {
  const tokens = await TokenThread.start(optionsFor(sim, more), { ...systemRuntime, ...runtime })
  cleanUp(() => tokens.close())
  return tokens
}

/** The next event of this name; it keeps the process alive, as a test should. */
export function next(emitter: NodeJS.EventEmitter, event: string): Promise<unknown[]> {
  return new Promise((resolve) => {
    const alive = setInterval(() => undefined, 1_000)
    emitter.once(event, (...args: unknown[]) => {
      clearInterval(alive)
      resolve(args)
    })
  })
}
