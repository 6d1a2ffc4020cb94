import { Cron } from 'croner'
import type { Account } from './account.js'
import { HeldToken } from './held-token.js'
import type { TokenHolder } from './holder.js'
import { fetchStableToken } from './stable-token.js'

/** A cron job goes off once a second at most: so much earlier it has to begin, not to come too late. */
const GRAIN = 1_000

/** A scheduled job on the main thread (Java: Quartz): each second it looks whether the token ends soon. */
export async function cronTokens(account: Account): Promise<TokenHolder> {
  const held = await HeldToken.create(() => fetchStableToken(account))
  const ahead = account.refreshAhead + GRAIN / 2
  // A refresh that failed is tried again by the next second's job.
  const job = new Cron('* * * * * *', { protect: true, catch: true }, async () => {
    if (held.left <= ahead) await held.refresh()
  })
  return { get: () => held.get(), close: () => job.stop() }
}
