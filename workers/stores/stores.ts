import type { Clock } from '../../src/clock.js'
import { messageOf, withoutSecrets } from '../../src/errors.js'
import type { AccountConfig, StoreConfig } from '../../src/protocol.js'
import type { Store } from '../../src/store.js'
import { PROVIDERS } from '../providers/providers.js'
import { AccountStore } from './account-store.js'
import { deferredStore } from './deferred.js'
import { memoryStore } from './memory.js'
import type { OpenContext, SharedStoreConfig } from './open.js'
import { secretsOfUrl } from './url-secrets.js'

/** ms; the longest that one operation may take, and of which a `timeout` for token calls (ms) allows half. */
const LONGEST_OPERATION = 5_000
/** ms for which the outcome of a call counts, beside two timeouts: of two forced calls one waits so long. */
const FORCE_SPACING = 31_000

/** The one store of a refresher, and each account's place in it. Without a shared one each account has its own memory. */
export class Stores {
  readonly #config: StoreConfig
  readonly #clock: Clock
  readonly #shared: Store | undefined
  readonly #secrets: readonly string[]
  readonly #warn: (message: string) => void

  constructor(
    config: StoreConfig,
    open: (config: SharedStoreConfig, context: OpenContext) => Promise<Store>,
    { clock, lookup, warn }: OpenContext,
  ) {
    this.#config = config
    this.#clock = clock
    this.#warn = (text) => warn(withoutSecrets(text, this.#secrets))
    this.#secrets = secretsOf(config)
    this.#shared =
      config.kind === 'memory'
        ? undefined
        : deferredStore(() => open(config, { clock, lookup, warn: this.#warn }))
  }

  of(account: AccountConfig): AccountStore {
    const { id, timeout, appSecret } = account
    return new AccountStore({
      store: this.#shared ?? memoryStore(this.#clock),
      key: PROVIDERS[account.endpoint].accountKey(account),
      account: id,
      clock: this.#clock,
      patience: Math.min(LONGEST_OPERATION, timeout / 2),
      recent: 2 * timeout + FORCE_SPACING,
      secrets: [appSecret, ...this.#secrets],
      isShared: this.#shared !== undefined,
    })
  }

  /** It may be a server that does not answer: whoever ends does not wait for that, nor for what it says of it. */
  async close(): Promise<void> {
    try {
      await this.#shared?.close()
    } catch (error) {
      this.#warn(`the store did not close: ${messageOf(error)}`)
    }
  }
}

function secretsOf(config: StoreConfig): readonly string[] {
  if (config.kind === 'memory') return []
  const urls = config.kind === 'redis' ? config.urls : 'url' in config ? [config.url] : []
  return [...config.encryptionKeys, ...urls.flatMap(secretsOfUrl)]
}
