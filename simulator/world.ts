import type { Account } from './account.js'
import type { Tally } from './counters.js'
import type { Faults } from './faults.js'
import type { IssuedTokens } from './issued.js'
import type { Lives } from './lives.js'

/** All that a request can meet: the state of one simulator. */
export interface World {
  readonly accounts: ReadonlyMap<string, Account>
  readonly issued: IssuedTokens
  readonly tally: Tally
  readonly faults: Faults
  readonly gzip: boolean
  /** Milliseconds since 1970 on the simulator's clock. */
  readonly now: () => number
  /** The lives of tokens issued from now on. */
  lives: Lives
}
