import type { Account } from './account.js'
import { HeldToken } from './held-token.js'
import type { TokenHolder } from './holder.js'
import { fetchStableToken } from './stable-token.js'

/** `setTimeout` on the main thread, set anew after each refresh (Java: `Timer`). */
export async function timerTokens(account: Account): Promise<TokenHolder> {
  const held = await HeldToken.create(() => fetchStableToken(account))
  const schedule = (ms: number): NodeJS.Timeout => setTimeout(refresh, Math.max(0, ms))
  const next = (): number => Math.max(account.retry.minDelay, held.left - account.refreshAhead)
  const refresh = (): void => {
    held.refresh().then(
      () => (timer = schedule(next())),
      () => (timer = schedule(account.retry.maxDelay)),
    )
  }
  let timer = schedule(next())
  return { get: () => held.get(), close: () => clearTimeout(timer) }
}
