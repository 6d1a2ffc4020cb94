import { TokenThread } from '../../src/index.js'
import type { Account } from './account.js'
import type { TokenHolder } from './holder.js'

/** This library. The pool's threads don't get their token from here: they subscribe. */
export async function threadTokens(account: Account): Promise<TokenHolder> {
  const tokens = await TokenThread.start({ ...account, logger: false })
  return { get: () => tokens.get(), close: () => tokens.close() }
}
