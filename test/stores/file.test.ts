import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import type { Notice, Store } from '../../src/store.js'
import { StoreOperatorError } from '../../workers/stores/store-error.js'
import { numbered, SPENT } from '../fixtures/file-plan.js'
import { buildProgram, folder, opened } from '../fixtures/file-processes.js'

const { start, remove } = buildProgram()
afterAll(remove)

async function published(store: Store, key = 'a'): Promise<number> {
  const { stored } = await store.acquire(key, { duration: 60_000, known: 0 })
  expect(await store.publish(key, stored.epoch, numbered(stored.epoch))).toBe(true)
  await store.release(key, stored.epoch)
  return stored.epoch
}

describe('the file', () => {
  it('and the folders made for it are their user’s alone', async () => {
    const path = join(folder(), 'new', 'deep', 'tokens.json')
    await published(opened(path).store)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    for (const made of [join(path, '..'), join(path, '..', '..')])
      expect(statSync(made).mode & 0o777).toBe(0o700)
  })

  it('is its user’s alone after a write, also where it was not before', async () => {
    const path = join(folder(), 'tokens.json')
    const { store } = opened(path)
    await published(store)
    chmodSync(path, 0o644)
    await published(store)
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it('is alone in its folder when nobody writes', async () => {
    const path = join(folder(), 'tokens.json')
    const { store } = opened(path)
    await published(store)
    await store.spend('a', 1, SPENT)
    await store.load('b')
    expect(readdirSync(join(path, '..'))).toEqual(['tokens.json'])
  })

  it('is not made by a read, nor is its folder', async () => {
    const path = join(folder(), 'new', 'tokens.json')
    await opened(path).store.load('a')
    expect(existsSync(join(path, '..'))).toBe(false)
  })

  it('is written where a link leads, and the link stays', async () => {
    const at = folder()
    mkdirSync(join(at, 'volume'))
    const link = join(at, 'tokens.json')
    symlinkSync(join('volume', 'real.json'), link)
    const generation = await published(opened(link).store)
    await published(opened(link).store, 'b')
    expect(readlinkSync(link)).toBe(join('volume', 'real.json'))
    expect(readdirSync(join(at, 'volume'))).toEqual(['real.json'])
    const { token } = await opened(join(at, 'volume', 'real.json')).store.load('a')
    expect(token?.generation).toBe(generation)
  })

  it('keeps what others wrote beside the accounts', async () => {
    const path = join(folder(), 'tokens.json')
    writeFileSync(path, '{"format":"token-thread","version":1,"note":{"by":"me"},"accounts":{}}')
    await published(opened(path).store)
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ note: { by: 'me' }, version: 1 })
  })

  it('takes no number that is not whole: the next reader would find it damaged', async () => {
    const path = join(folder(), 'tokens.json')
    const { store, warnings } = opened(path)
    const epoch = await published(store)
    const { stored } = await store.acquire('a', { duration: 60_000, known: epoch })
    await expect(store.spend('a', stored.epoch, { ...SPENT, calls: 0.5 })).rejects.toThrow('no whole number')
    expect((await store.load('a')).token?.generation).toBe(epoch)
    expect(warnings).toEqual([])
  })

  it('keeps accounts of any name', async () => {
    const { store } = opened(join(folder(), 'tokens.json'))
    for (const key of ['__proto__', 'constructor', '', 'a\u0000b']) {
      const generation = await published(store, key)
      expect((await store.load(key)).token?.generation).toBe(generation)
    }
  })
})

describe('what only an operator can mend', () => {
  const uid = process.getuid?.() === 0 ? { uid: 65_534 } : {}

  it('a folder that this user may not use, by its name', async () => {
    const at = folder()
    const path = join(at, 'shut', 'tokens.json')
    mkdirSync(join(at, 'shut'), { mode: 0 })
    const child = start({ path, do: 'count', key: 'a', times: 1, ...uid })
    await child.line('up')
    child.go()
    const line = await child.line('error')
    expect(line).toContain('StoreOperatorError')
    expect(line).toContain(path)
    expect(line).toContain('EACCES')
  })

  it('a file that this user may read but not replace', async () => {
    const at = folder()
    const path = join(at, 'tokens.json')
    await published(opened(path).store)
    chmodSync(path, 0o644)
    chmodSync(at, 0o555)
    const child = start({ path, do: 'count', key: 'a', times: 1, ...uid })
    await child.line('up')
    child.go()
    expect(await child.line('error')).toContain('StoreOperatorError')
    chmodSync(at, 0o755)
  })

  it('a folder in the place of the file, or a file in the place of its folder', async () => {
    const at = folder()
    mkdirSync(join(at, 'tokens.json'))
    writeFileSync(join(at, 'flat'), '')
    for (const path of [join(at, 'tokens.json'), join(at, 'flat', 'tokens.json')]) {
      const { store } = opened(path)
      await expect(store.load('a')).rejects.toThrow(StoreOperatorError)
      await expect(store.acquire('a', { duration: 1, known: 0 })).rejects.toThrow(path)
    }
  })

  it('a file of a newer version, which stays as it is', async () => {
    const path = join(folder(), 'tokens.json')
    const text = '{"format":"token-thread","version":2,"accounts":["of","another","kind"]}'
    writeFileSync(path, text)
    const { store, warnings } = opened(path)
    await expect(store.load('a')).rejects.toThrow(StoreOperatorError)
    await expect(store.acquire('a', { duration: 1, known: 0 })).rejects.toThrow(
      'newer token-thread (format 2)',
    )
    expect([readFileSync(path, 'utf8'), readdirSync(join(path, '..')), warnings]).toEqual([
      text,
      ['tokens.json'],
      [],
    ])
  })
})

it('a full disk passes: the operation fails, the file stays, and the next one is done', async () => {
  const path = join(folder(), 'tokens.json')
  let isFull = false
  const onStep = (step: string): void => {
    if (isFull && step === 'written')
      throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' })
  }
  const { store } = opened(path, { onStep })
  const epoch = await published(store)
  const before = readFileSync(path)
  isFull = true
  const failed: unknown = await Promise.resolve(store.acquire('a', { duration: 1, known: 0 })).catch(
    (error: unknown) => error,
  )
  expect(failed).toMatchObject({ code: 'ENOSPC' })
  expect(failed).not.toBeInstanceOf(StoreOperatorError)
  expect([readFileSync(path), readdirSync(join(path, '..'))]).toEqual([before, ['tokens.json']])
  isFull = false
  expect(await published(opened(path).store)).toBeGreaterThan(epoch)
})

describe('who watches', () => {
  it('hears once of what another store published or marked, and of nothing else', async () => {
    const path = join(folder(), 'new', 'tokens.json')
    const { store: reader } = opened(path)
    const { store: writer } = opened(path)
    const heard: (Notice | undefined)[] = []
    const unwatch = reader.watch((notice) => heard.push(notice))
    const first = await published(writer)
    await vi.waitFor(() => expect(heard).toHaveLength(1), { timeout: 10_000 })
    await writer.release('a', first, { at: 1, failures: 1 })
    await writer.markSuspect('a', first)
    await writer.markSuspect('a', first)
    await vi.waitFor(() => expect(heard).toHaveLength(2), { timeout: 10_000 })
    const second = await published(writer)
    const other = await published(writer, 'b')
    await vi.waitFor(() => expect(heard.at(-1)).toMatchObject({ key: 'b' }), { timeout: 10_000 })
    expect(heard).toEqual([
      { key: 'a', generation: first, suspect: false },
      { key: 'a', generation: first, suspect: true },
      { key: 'a', generation: second, suspect: false },
      { key: 'b', generation: other, suspect: false },
    ])
    unwatch()
  })

  it('hears nothing of what was there before', async () => {
    const path = join(folder(), 'tokens.json')
    const { store } = opened(path)
    await published(store)
    const heard: (Notice | undefined)[] = []
    store.watch((notice) => heard.push(notice))
    const generation = await published(store, 'b')
    expect(heard).toEqual([{ key: 'b', generation, suspect: false }])
  })

  it('hears of its own store at once, and nothing after it stopped', async () => {
    const { store } = opened(join(folder(), 'tokens.json'))
    let heard = 0
    const unwatch = store.watch(() => (heard += 1))
    await published(store)
    expect(heard).toBe(1)
    unwatch()
    await published(store)
    expect(heard).toBe(1)
  })
})
