import type { Mode } from '../options.js'
import type { Account } from './account.js'
import { constantToken } from './constant.js'
import { cronTokens } from './cron.js'
import type { TokenHolder } from './holder.js'
import { lazyTokens } from './lazy.js'
import { threadTokens } from './thread.js'
import { timerTokens } from './timer.js'

const starts: Readonly<Record<Mode, (account: Account) => Promise<TokenHolder>>> = {
  thread: threadTokens,
  timer: timerTokens,
  cron: cronTokens,
  lazy: lazyTokens,
  constant: constantToken,
}

/** Resolves with the first token in hand. */
export const startTokens = (mode: Mode, account: Account): Promise<TokenHolder> => starts[mode](account)
