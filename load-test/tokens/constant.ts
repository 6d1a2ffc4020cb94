import type { Account } from './account.js'
import type { TokenHolder } from './holder.js'
import { fetchStableToken } from './stable-token.js'

/** A token that never changes: what no way to keep one can beat. */
export async function constantToken(account: Account): Promise<TokenHolder> {
  const { accessToken } = await fetchStableToken(account)
  return { get: () => accessToken, close: () => undefined }
}
