import { chmodSync, chownSync, copyFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Store } from '../../src/store.js'
import { StoreOperatorError } from '../../workers/stores/store-error.js'
import { type Certificate, certificate } from './certificate.js'
import { cleanUp } from './cleanup.js'
import { folderOf, type OwnServer } from './server-process.js'
import { STARTING } from './sql-outages.js'

interface Given {
  /** As this user the server runs: its key must be that user's alone. */
  readonly user: string
  readonly start: (files: Pick<Certificate, 'ca' | 'cert' | 'key'>) => Promise<OwnServer>
  /** A URL for one who is let in over TLS only; `ca` is a path. */
  readonly urlOf: (server: OwnServer, ca: string) => Promise<string>
  readonly open: (url: string) => Store
  /** Of the URL's parameters, what is named where the certificate is not trusted. */
  readonly parameter: string
}

/** What both servers' stores do over TLS, by a CA that nobody trusts unless told to. */
export function tlsTests({ user, start, urlOf, open, parameter }: Given): void {
  const removals: (() => unknown)[] = []
  let server: OwnServer
  let own: Certificate
  let other: Certificate
  beforeAll(async () => {
    own = await certificate()
    other = await certificate()
    const folder = folderOf(user)
    removals.push(own.remove, other.remove, () => rmSync(folder, { recursive: true, force: true }))
    server = await start({ ca: own.ca, cert: copied(own.cert, folder), key: copied(own.key, folder) })
    removals.push(() => server.remove())
  }, STARTING)
  afterAll(async () => {
    for (const remove of removals.reverse()) await remove()
  })
  beforeEach(() => server.resume())

  async function opened(ca: string): Promise<Store> {
    const store = open(await urlOf(server, ca))
    cleanUp(() => store.close())
    return store
  }

  test('works over TLS', async () => {
    const store = await opened(own.ca)
    await expect(store.acquire(crypto.randomUUID(), LEASE)).resolves.toMatchObject({ granted: true })
  })

  test('a certificate that is not by the CA of the URL is refused, with what mends it', async () => {
    const store = await opened(other.ca)
    const error: unknown = await Promise.resolve(store.load('key')).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(StoreOperatorError)
    expect(String(error)).toMatch(new RegExp(`certificate.*see to .*${parameter}`))
  })

  test('closes promptly while the server is paused', async () => {
    const store = await opened(own.ca)
    await store.load('key')
    server.pause()
    const pending = Promise.resolve(store.load('key')).catch((thrown: unknown) => thrown)
    const before = performance.now()
    await store.close()
    expect(performance.now() - before).toBeLessThan(5_000)
    expect(await pending).toMatchObject({ message: 'the store was closed' })
  })
}

const LEASE = { duration: 60_000, known: 0 }

function copied(file: string, folder: string): string {
  const copy = join(folder, file.slice(file.lastIndexOf('/') + 1))
  const { uid, gid } = statSync(folder)
  copyFileSync(file, copy)
  chownSync(copy, uid, gid)
  chmodSync(copy, 0o600)
  return copy
}
