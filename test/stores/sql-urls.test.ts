import { lookup } from 'node:dns'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { withoutSecrets } from '../../src/errors.js'
import { TokenThread } from '../../src/token-thread.js'
import { openStore } from '../../workers/stores/open.js'
import { StoreOperatorError } from '../../workers/stores/store-error.js'
import { secretsOfUrl } from '../../workers/stores/url-secrets.js'
import { cleanUp } from '../support/cleanup.js'
import { failureOf } from '../support/outcome.js'
import { optionsFor, simulator } from '../support/simulated.js'
import { temporaryFolder } from '../support/temporary-folder.js'

/** What a driver does not even try to connect with: said at once, and with nothing of what the URL holds. */

const KEY = '-----BEGIN PRIVATE KEY-----MIGHAgEAMBMGBy'
const PASSPHRASE = 'correct horse'
const json = (value: object): string => encodeURIComponent(JSON.stringify(value))
const BROKEN_JSON = json({ key: KEY, passphrase: PASSPHRASE }).slice(0, -3)

interface Refused {
  readonly what: string
  readonly kind: 'postgres' | 'mysql'
  /** After `<kind>://`. */
  readonly url: (folder: string) => string
  readonly mend: RegExp
}

const missing =
  (name: string) =>
  (folder: string): string =>
    `me:pa55word@127.0.0.1:1/db?${name}=${encodeURIComponent(join(folder, 'none', 'here.pem'))}`

const REFUSED: readonly Refused[] = [
  ...['sslrootcert', 'sslcert', 'sslkey'].map((name) => ({
    what: `${name} that is not there`,
    kind: 'postgres' as const,
    url: missing(name),
    mend: new RegExp(`the file that ${name} in the store’s url names can’t be read \\(ENOENT\\)`),
  })),
  ...(['postgres', 'mysql'] as const).map((kind) => ({
    what: 'a password with a stray percent sign',
    kind,
    url: () => 'me:pa55word%ff@127.0.0.1:1/db',
    mend: /% that escapes nothing: .*%25/,
  })),
  {
    what: 'a parameter with a value that there is not',
    kind: 'postgres',
    url: () => 'me:pa55word@127.0.0.1:1/db?sslnegotiation=neverHeard',
    mend: /sslmode and sslrootcert/,
  },
  {
    what: 'ssl that is no object',
    kind: 'mysql',
    url: () => 'me:pa55word@127.0.0.1:1/db?ssl=true',
    mend: /SSL profile must be an object.*ssl is a JSON of TLS’s options/,
  },
  {
    what: 'ssl that is broken JSON',
    kind: 'mysql',
    url: () => `me:pa55word@127.0.0.1:1/db?ssl=${BROKEN_JSON}`,
    mend: /ssl is a JSON of TLS’s options/,
  },
  {
    what: 'ssl with a key that is none',
    kind: 'mysql',
    url: () => `me:pa55word@127.0.0.1:1/db?ssl=${json({ key: KEY, passphrase: PASSPHRASE })}`,
    mend: /ssl is a JSON of TLS’s options/,
  },
]

const SECRETS = [KEY, PASSPHRASE, 'pa55word', 'neverHeard', 'here.pem', 'BEGIN PRIVATE']

function expectNoSecret(text: string): void {
  for (const secret of SECRETS) {
    expect(text).not.toContain(secret)
    expect(text).not.toContain(encodeURIComponent(secret))
  }
}

describe('a URL of a database with which its driver does not even connect', () => {
  test.each(REFUSED)('$kind, $what: each operation says what mends it', async ({ kind, url, mend }) => {
    const store = await openStore(
      { kind, url: `${kind}://${url(temporaryFolder())}`, encryptionKeys: [] },
      { clock: systemClock, lookup, warn: (message) => expect.unreachable(message) },
    )
    cleanUp(() => store.close())
    store.watch(() => undefined)
    for (const operation of [() => store.load('key'), () => store.acquire('key', LEASE)]) {
      const error: unknown = await Promise.resolve(operation()).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(StoreOperatorError)
      expect(String(error)).toMatch(mend)
      expectNoSecret(inspect(error))
    }
  })

  test.each(REFUSED.filter(({ what }) => /percent|broken|sslrootcert/.test(what)))(
    '$kind, $what: a start fails at once, its thread lives on, and nothing secret is said',
    async ({ kind, url, mend }) => {
      const sim = await simulator()
      const said: unknown[] = []
      const log = (...args: unknown[]): void => void said.push(args)
      const failure = await failureOf(() =>
        TokenThread.start(
          optionsFor(sim, {
            store: { kind, url: `${kind}://${url(temporaryFolder())}` },
            logger: { info: log, warn: log, error: log },
          }),
        ),
      )
      expect(failure).toMatchObject({ code: 'ERR_STORE', retryable: false })
      expect(failure.message).toMatch(mend)
      expectNoSecret(inspect([failure, failure.cause, said], { depth: 9 }))
      expect(inspect(said)).not.toContain('ERR_THREAD')
    },
  )
})

test('what stands in a URL’s parameters is taken out of whatever is said, but for its switches', () => {
  const url = `mysql://me:p%40ss@host/db?ssl=${json({ key: KEY, passphrase: PASSPHRASE })}&debug=true&password=short`
  const said = `key ${KEY}, ${JSON.stringify(PASSPHRASE)}, p@ss or p%40ss, short: true, in 5000 ms`
  expect(withoutSecrets(said, secretsOfUrl(url))).toBe('key ***, "***", *** or ***, ***: true, in 5000 ms')
})

const LEASE = { duration: 60_000, known: 0 }
