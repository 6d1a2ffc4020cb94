import type { TokenThreadOptions } from '../../src/options.js'
import { TokenThread } from '../../src/token-thread.js'
import { cleanUp } from './cleanup.js'
import type { VirtualSystem } from './virtual-system.js'

export const ACCOUNT = { appId: 'wx1', appSecret: 'secret-of-wx1', logger: false } as const

/** A TokenThread on a virtual system, with its first token. */
export async function started(system: VirtualSystem, options: TokenThreadOptions = {}): Promise<TokenThread> {
  const tokens = await TokenThread.start({ ...ACCOUNT, ...options }, system.runtime)
  cleanUp(() => tokens.close())
  return tokens
}

/** A TokenThread on a virtual system, as its constructor leaves it. */
export function constructed(system: VirtualSystem, options: TokenThreadOptions = {}): TokenThread {
  const tokens = new TokenThread({ ...ACCOUNT, ...options }, system.runtime)
  cleanUp(() => tokens.close())
  return tokens
}
