import { execFileSync, spawnSync } from 'node:child_process'
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
import { numbered, type Plan, SPENT } from '../fixtures/file-plan.js'
import { buildProgram, folder, opened } from '../fixtures/file-processes.js'

const { start, program, remove } = buildProgram()
afterAll(remove)

/** Whether this user may mount in a namespace of its own. */
function canMount(): boolean {
  const at = folder()
  for (const name of ['a', 'b']) writeFileSync(join(at, name), '')
  return spawnSync('unshare', ['-rm', 'mount', '--bind', join(at, 'a'), join(at, 'b')]).status === 0
}

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

  it('is written where the system finds it, behind links to folders too', async () => {
    const at = folder()
    mkdirSync(join(at, 'deep', 'volume'), { recursive: true })
    symlinkSync(join('deep', 'volume'), join(at, 'linked'))
    symlinkSync(join('..', 'real.json'), join(at, 'deep', 'volume', 'tokens.json'))
    await published(opened(join(at, 'linked', 'tokens.json')).store)
    expect(readdirSync(at).sort()).toEqual(['deep', 'linked'])
    expect(readdirSync(join(at, 'deep')).sort()).toEqual(['real.json', 'volume'])
    // By a link to a folder that is made: the file has one name for all.
    symlinkSync(join('deep', 'new'), join(at, 'next'))
    await published(opened(join(at, 'next', 'tokens.json')).store)
    expect(readdirSync(join(at, 'deep', 'new'))).toEqual(['tokens.json'])
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

  /** What a process of another user is told, or `end`. */
  const told = async (path: string): Promise<string> => {
    const child = start({ path, do: 'count', key: 'a', times: 1, ...uid })
    await child.line('up')
    child.go()
    await child.ended
    return child.lines.at(-1) ?? ''
  }
  /** A folder that all may enter: what is in it decides. */
  const publicFolder = (mode = 0o755): string => {
    const at = folder()
    chmodSync(at, mode)
    return at
  }

  it('a folder that this user may not use, by its name', async () => {
    const path = join(publicFolder(), 'shut', 'tokens.json')
    mkdirSync(join(path, '..'))
    chmodSync(join(path, '..'), 0)
    const line = await told(path)
    expect(line).toContain('StoreOperatorError')
    expect(line).toContain(path)
    expect(line).toContain('EACCES')
    chmodSync(join(path, '..'), 0o777)
    expect(await told(path)).toBe('end')
  })

  it('a damaged file that can neither be linked nor replaced: no attempt leaves a copy', async () => {
    // As in /tmp: nobody else may replace what is root's.
    const path = join(publicFolder(0o1777), 'tokens.json')
    writeFileSync(path, '', { mode: 0o644 })
    if ('uid' in uid) for (let i = 0; i < 3; i++) expect(await told(path)).toContain('StoreOperatorError')
    expect(readdirSync(join(path, '..'))).toEqual(['tokens.json'])
  })

  it('a file that is mounted by itself: it says what to mount', async () => {
    const path = join(folder(), 'tokens.json')
    writeFileSync(path, '')
    const onStep = (step: string): void => {
      if (step === 'renaming')
        throw Object.assign(new Error('EBUSY: resource busy'), { code: 'EBUSY', syscall: 'rename' })
    }
    const { store, warnings } = opened(path, { onStep })
    const acquired = Promise.resolve(store.acquire('a', { duration: 1, known: 0 }))
    await expect(acquired).rejects.toThrow(StoreOperatorError)
    await expect(acquired).rejects.toThrow('mount the folder')
    expect([readdirSync(join(path, '..')), warnings]).toEqual([['tokens.json'], []])
  })

  it.runIf(canMount())('a file that is mounted by itself, as a container does', () => {
    const at = folder()
    const path = join(at, 'app', 'tokens.json')
    for (const made of ['app', 'volume']) mkdirSync(join(at, made))
    for (const file of [path, join(at, 'volume', 'real.json')]) writeFileSync(file, '')
    const run = 'mount --bind "$1" "$2" && exec "$3" "$4" "$5"'
    const plan: Plan = { path, do: 'count', key: 'a', times: 1 }
    const said = execFileSync(
      'unshare',
      [
        ...['-rm', 'sh', '-c', run, 'sh', join(at, 'volume', 'real.json'), path],
        ...[process.execPath, program, JSON.stringify(plan)],
      ],
      { input: '..', encoding: 'utf8' },
    )
    expect(said).toContain('StoreOperatorError')
    expect(said).toContain('mount the folder')
    expect(readdirSync(join(path, '..'))).toEqual(['tokens.json'])
  })

  it('a file that this user may read but not replace', async () => {
    const at = publicFolder()
    const path = join(at, 'tokens.json')
    await published(opened(path).store)
    chmodSync(path, 0o644)
    chmodSync(at, 0o555)
    expect(await told(path)).toContain('StoreOperatorError')
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
