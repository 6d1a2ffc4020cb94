import { randomBytes } from 'node:crypto'
import { isBuiltin } from 'node:module'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { readConfig } from '../../src/config.js'
import type { StoreConfig } from '../../src/protocol.js'
import { failureOf } from '../support/outcome.js'

const GOOD = { appId: 'wx1', appSecret: 's1', logger: false } as const

const storeOf = (store: unknown): StoreConfig => readConfig({ ...GOOD, store }, {}).store

async function messageOf(options: object): Promise<string> {
  const { code, message } = await failureOf(() => readConfig({ ...GOOD, ...options }, {}))
  expect(code).toBe('ERR_OPTIONS')
  return message
}

describe('the store option', () => {
  it('is memory unless something else is asked for', () => {
    expect(storeOf(undefined)).toEqual({ kind: 'memory' })
    expect(storeOf({ kind: 'memory' })).toEqual({ kind: 'memory' })
  })

  it('takes a path, relative to where the process is, or a file URL', () => {
    const encryptionKeys: string[] = []
    const there = { kind: 'file', path: `${process.cwd()}/a/b.json`, encryptionKeys }
    expect(storeOf({ kind: 'file', path: 'a/b.json' })).toEqual(there)
    expect(storeOf({ kind: 'file', path: pathToFileURL('a/b.json') })).toEqual(there)
    expect(storeOf({ kind: 'file', path: pathToFileURL('a/b.json').href })).toEqual(there)
  })

  it('takes a server’s URL', () => {
    expect(storeOf({ kind: 'postgres', url: new URL('postgresql://u:p@h/db') })).toMatchObject({
      url: 'postgresql://u:p@h/db',
    })
    expect(storeOf({ kind: 'mysql', url: 'mariadb://h/db' })).toMatchObject({ kind: 'mysql' })
    expect(storeOf({ kind: 'redis', url: 'rediss://h:6380/2' })).toEqual({
      kind: 'redis',
      urls: ['rediss://h:6380/2'],
      cluster: false,
      sentinel: undefined,
      encryptionKeys: [],
    })
    const urls = ['redis://a:1', 'redis://b:2']
    expect(storeOf({ kind: 'redis', url: urls, cluster: true })).toMatchObject({ urls, cluster: true })
    expect(storeOf({ kind: 'redis', url: urls, sentinel: 'mymaster' })).toMatchObject({
      sentinel: 'mymaster',
    })
  })

  it('takes the URL of a module, alone or with options for it', () => {
    const options = { region: 'cn' }
    expect(storeOf('file:///srv/store.js')).toEqual({
      kind: 'module',
      url: 'file:///srv/store.js',
      options: undefined,
      encryptionKeys: [],
    })
    expect(storeOf(new URL('file:///srv/store.js'))).toMatchObject({ url: 'file:///srv/store.js' })
    expect(storeOf({ kind: 'module', url: '/srv/store.js', options })).toMatchObject({
      url: 'file:///srv/store.js',
      options,
    })
    expect(storeOf({ kind: 'module', url: 'our-token-store' })).toMatchObject({ url: 'our-token-store' })
  })

  it('takes one key or several, as bytes or in base64', () => {
    const bytes = randomBytes(32)
    const text = bytes.toString('base64')
    for (const encryptionKey of [bytes, new Uint8Array(bytes), text, bytes.toString('base64url'), [text]])
      expect(storeOf({ kind: 'file', path: '/f', encryptionKey })).toMatchObject({ encryptionKeys: [text] })
    const other = randomBytes(32)
    expect(storeOf({ kind: 'file', path: '/f', encryptionKey: [other, text] })).toMatchObject({
      encryptionKeys: [other.toString('base64'), text],
    })
  })

  it.each([
    [{}, 'store.kind is missing'],
    [{ kind: 'mongo' }, "store.kind must be one of 'memory', 'file'"],
    [{ kind: 'file' }, 'store.path is missing'],
    [{ kind: 'file', path: '' }, 'store.path must be a non-empty string'],
    [{ kind: 'file', path: new URL('http://h/') }, 'store.path must be a path or a file URL'],
    [{ kind: 'file', path: '/f', url: 'redis://h' }, 'store.url is no option'],
    [{ kind: 'memory', encryptionKey: 'x' }, 'store.encryptionKey is no option'],
    [{ kind: 'postgres' }, 'store.url is missing'],
    [
      { kind: 'postgres', url: 'mysql://u:hidden@h' },
      'store.url must be a whole URL that begins with postgres://',
    ],
    [{ kind: 'mysql', url: 3 }, 'store.url must be a whole URL'],
    [{ kind: 'redis', url: [] }, 'store.url is an empty list'],
    [{ kind: 'redis', url: ['redis://a', 'redis://b'] }, 'store.url is a list: say whether'],
    [{ kind: 'redis', url: ['redis://a', 'http://b'] }, 'store.url[1] must be a whole URL'],
    [{ kind: 'redis', url: 'redis://a', cluster: 'yes' }, 'store.cluster must be true or false'],
    [
      { kind: 'redis', url: 'redis://a', cluster: true, sentinel: 'm' },
      'store.cluster stands beside store.sentinel',
    ],
    [{ kind: 'module', url: './store.js' }, 'store.url must not be relative'],
    [{ kind: 'file', path: '/f', encryptionKey: 'short' }, 'store.encryptionKey must be 32 bytes'],
    [{ kind: 'file', path: '/f', encryptionKey: [] }, 'store.encryptionKey is an empty list'],
    [
      { kind: 'file', path: '/f', encryptionKey: [randomBytes(32), 7] },
      'store.encryptionKey[1] must be 32 bytes',
    ],
    [3, 'store must be an object with kind'],
  ])('%j is refused', async (store, message) => {
    const said = await messageOf({ store })
    expect(said).toContain(message)
    expect(said).not.toContain('hidden')
  })

  it('sqlite is refused on a Node without it, which names the file store', async () => {
    const store = { kind: 'sqlite', path: '/f' }
    if (isBuiltin('node:sqlite')) expect(storeOf(store)).toMatchObject(store)
    else expect(await messageOf({ store })).toMatch(/needs Node 22\.13.*kind: 'file', path/)
  })

  it('needs a lease that ends before the token: timeout and a quarter more must be less than refreshAhead', async () => {
    const store = { kind: 'file', path: '/f' }
    expect(await messageOf({ store, timeout: 160_000 })).toMatch(
      /timeout is 160000 for account wx1: .* 200000 ms .* refreshAhead \(200000\)/,
    )
    expect(readConfig({ ...GOOD, store, timeout: 159_999 }, {}).accounts[0].timeout).toBe(159_999)
    // Memory has no lease.
    expect(readConfig({ ...GOOD, timeout: 300_000 }, {}).accounts[0].timeout).toBe(300_000)
  })
})

describe('onStoreDown', () => {
  it('is refreshAlone where all get the same token, and wait where a fetch makes the others’ void', () => {
    const of = (options: object): unknown => readConfig({ ...GOOD, ...options }, {}).accounts[0].onStoreDown
    expect([of({}), of({ endpoint: 'classic' })]).toEqual(['refreshAlone', 'wait'])
    expect([of({ onStoreDown: 'wait' }), of({ endpoint: 'classic', onStoreDown: 'refreshAlone' })]).toEqual([
      'wait',
      'refreshAlone',
    ])
  })

  it('is nothing else', async () => {
    expect(await messageOf({ onStoreDown: 'panic' })).toContain(
      "onStoreDown must be one of 'refreshAlone', 'wait'",
    )
  })
})
