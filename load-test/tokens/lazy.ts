import type { Account } from './account.js'
import { HeldToken } from './held-token.js'
import type { TokenHolder } from './holder.js'
import { fetchStableToken } from './stable-token.js'

/** ms before its end a token counts as expired, so that no request on its way is refused (co-wechat-api: 10 s of 7200). */
const MARGIN = 300

/** Fetched when it is needed and has expired, by one call for all who wait: what most SDKs do. */
export async function lazyTokens(account: Account): Promise<TokenHolder> {
  const held = await HeldToken.create(() => fetchStableToken(account), MARGIN)
  return { get: () => held.get(), close: () => undefined }
}
