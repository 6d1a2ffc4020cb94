import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { Acquired, Store, Stored } from '../../src/store.js'
import { StoreOperatorError } from './store-error.js'

/**
 * Tokens at rest. A sealed one stands in the place of `accessToken`, in any store, as
 * `token-thread:aes-256-gcm:1:<iv>.<ciphertext>.<tag>` (base64url). It is bound to its account: moved to another one's
 * record it does not open. All else in the record is readable, and no secret.
 */
const SEALED = 'token-thread:'
const ALGORITHM = 'aes-256-gcm'
const PREFIX = `${SEALED}${ALGORITHM}:1:`
const KEY_BYTES = 32
const IV_BYTES = 12
const TAG_BYTES = 16

/**
 * Seals what goes into a store and opens what comes out. `keys` are 32 bytes each, in base64: the first one seals, each
 * may open. A token that lies there in the clear is not trusted: the record then has none, and the next one is sealed.
 *
 * Throws a StoreOperatorError from `load` and `acquire` where no key opens the token. No lease is left behind, and
 * without one nothing is written. A token that has ended is none, whoever sealed it.
 */
export function encryptedStore(store: Store, keys: readonly string[]): Store {
  const bytes = keys.map((key) => Buffer.from(key, 'base64'))
  const [first] = bytes
  if (!first || bytes.some(({ length }) => length !== KEY_BYTES))
    throw new StoreOperatorError(`store.encryptionKey must be ${KEY_BYTES} bytes, or a list of such keys`)
  return translated(store, {
    write: (key, accessToken) => seal(accessToken, first, key),
    read: (key, text, hasEnded) => {
      if (!text.startsWith(SEALED)) return undefined
      try {
        return opened(text, bytes, key)
      } catch (error) {
        // Nobody misses it, and its key may be gone since long.
        if (hasEnded) return undefined
        throw error
      }
    },
  })
}

/** For a store without keys: says so where it meets a sealed token, which would be no token at all. */
export function plainStore(store: Store): Store {
  return translated(store, {
    write: (_key, accessToken) => accessToken,
    read: (_key, text) => {
      if (!text.startsWith(SEALED)) return text
      throw new StoreOperatorError('the token in the store is encrypted: give its key as store.encryptionKey')
    },
  })
}

interface Translation {
  readonly write: (key: string, accessToken: string) => string
  /** Undefined: it is not to be trusted. */
  readonly read: (key: string, text: string, hasEnded: boolean) => string | undefined
}

function translated(store: Store, { write, read }: Translation): Store {
  const readIn = (key: string, stored: Stored): Stored => {
    const { token } = stored
    if (!token) return stored
    const accessToken = read(key, token.accessToken, token.expiresAt <= stored.now)
    if (accessToken === undefined) return { ...stored, token: undefined, suspectSince: undefined }
    return { ...stored, token: { ...token, accessToken } }
  }
  return {
    // It may change, as where a pooler swallows PostgreSQL's notices.
    get pollEvery() {
      return store.pollEvery ?? 30_000
    },
    load: async (key) => readIn(key, await store.load(key)),
    acquire: async (key, wanted): Promise<Acquired> => {
      // Before the lease, too: a new epoch would fence off a process that has the right key.
      readIn(key, await store.load(key))
      const acquired = await store.acquire(key, wanted)
      try {
        return { ...acquired, stored: readIn(key, acquired.stored) }
      } catch (error) {
        if (acquired.granted) await releaseQuietly(store, key, acquired.stored.epoch)
        throw error
      }
    },
    spend: (key, epoch, spent) => store.spend(key, epoch, spent),
    publish: (key, epoch, token) =>
      store.publish(key, epoch, { ...token, accessToken: write(key, token.accessToken) }),
    markSuspect: (key, generation) => store.markSuspect(key, generation),
    release: (key, epoch, retry) => store.release(key, epoch, retry),
    watch: (onNotice) => store.watch(onNotice),
    close: () => store.close(),
  }
}

async function releaseQuietly(store: Store, key: string, epoch: number): Promise<void> {
  try {
    await store.release(key, epoch)
  } catch {
    // It ends by itself; why no token was read is the better news.
  }
}

function seal(accessToken: string, secret: Buffer, key: string): string {
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv(ALGORITHM, secret, iv, { authTagLength: TAG_BYTES }).setAAD(boundTo(key))
  const ciphertext = Buffer.concat([cipher.update(accessToken, 'utf8'), cipher.final()])
  const parts = [iv, ciphertext, cipher.getAuthTag()].map((part) => part.toString('base64url'))
  return `${PREFIX}${parts.join('.')}`
}

function opened(text: string, secrets: readonly Buffer[], key: string): string {
  const [iv, ciphertext, tag] = text
    .slice(PREFIX.length)
    .split('.')
    .map((part) => Buffer.from(part, 'base64url'))
  if (!text.startsWith(PREFIX) || !iv || !ciphertext || iv.length !== IV_BYTES || tag?.length !== TAG_BYTES)
    throw new StoreOperatorError(
      'the encrypted token in the store is damaged, or of a newer version of token-thread: update this one, ' +
        'or delete the account’s record, and a new token is fetched (store.encryptionKey stays)',
    )
  for (const secret of secrets) {
    const decipher = createDecipheriv(ALGORITHM, secret, iv, { authTagLength: TAG_BYTES })
    try {
      decipher.setAAD(boundTo(key)).setAuthTag(tag)
      return Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString('utf8')
    } catch {
      // Another key may be the one.
    }
  }
  throw new StoreOperatorError(
    'no key in store.encryptionKey opens the token in the store: give the key that it was encrypted with as well ' +
      '(a list: the first one writes, all read), or delete the account’s record if that key is lost or the record ' +
      'was moved from another account',
  )
}

const boundTo = (key: string): Buffer => Buffer.from(`${PREFIX}${key}`)
