import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { Notice, PublishedToken, Store } from '../../src/store.js'
import { numbered, SPENT } from '../fixtures/file-plan.js'
import { folder, opened } from '../fixtures/file-processes.js'
import { cleanUp } from '../support/cleanup.js'
import { settle, VirtualClock } from '../support/virtual-clock.js'

const WANTED = { duration: 60_000, known: 0 }
const keys = Array.from({ length: 50 }, (_, i) => `account-${i}`)
const here = (): string => join(folder(), 'tokens.json')

const token = (generation: number): PublishedToken => ({ ...numbered(generation), accessToken: 'a token' })

async function published(store: Store, key: string): Promise<number> {
  const { stored } = await store.acquire(key, WANTED)
  expect(await store.publish(key, stored.epoch, token(stored.epoch))).toBe(true)
  return stored.epoch
}

/** A store whose writes take `ms` each, and how many there were. */
function slow(path: string, ms: number): { readonly store: Store; readonly writes: () => number } {
  const clock = new VirtualClock()
  let writes = 0
  const onStep = (step: string): void => {
    if (step !== 'renamed') return
    writes += 1
    clock.block(ms)
  }
  return { store: opened(path, { clock, onStep }).store, writes: () => writes }
}

/** All that was begun goes on as far as it can in this turn of the event loop. */
const restOfTurn = (): Promise<void> =>
  new Promise((resolve) => process.nextTick(() => queueMicrotask(() => process.nextTick(resolve))))

describe('the accounts of one thread', () => {
  it('leave each other and the event loop their turns, and share their writes', async () => {
    const { store, writes } = slow(here(), 6)
    const starting = keys.map(async (key) => {
      await store.load(key)
      const { granted, stored } = await store.acquire(key, WANTED)
      return [granted, await store.spend(key, stored.epoch, { ...SPENT, calls: 7 })]
    })
    await restOfTurn()
    expect(writes()).toBe(2)
    expect(await Promise.all(starting)).toEqual(keys.map(() => [true, true]))
    expect(writes()).toBeLessThan(10)
    for (const key of keys) expect((await store.load(key)).spent.calls).toBe(7)
  })

  it('wait for nothing where there is one', async () => {
    const { store, writes } = slow(here(), 1)
    let turns = 0
    const turn = setImmediate(() => (turns += 1))
    cleanUp(() => clearImmediate(turn))
    const { stored } = await store.acquire('a', WANTED)
    await store.spend('a', stored.epoch, SPENT)
    await store.publish('a', stored.epoch, token(stored.epoch))
    expect([turns, writes()]).toEqual([0, 3])
  })

  it('fail alone in a write that they share: what is refused or wrong changes nothing', async () => {
    const { store, writes } = slow(here(), 10)
    const epoch = await published(store, 'a')
    await settle()
    const before = writes()
    const first = store.acquire('b', WANTED)
    const [wrong, stale, other, right, taken, held] = [
      store.spend('a', epoch, { ...SPENT, calls: 0.5 }),
      store.spend('a', epoch - 1, SPENT),
      store.spend('a', epoch, { ...SPENT, calls: 1 }),
      store.spend('a', epoch, { ...SPENT, calls: 2 }),
      store.acquire('c', WANTED),
      store.acquire('c', WANTED),
    ]
    await expect(wrong).rejects.toThrow('no whole number')
    expect([await stale, await other, await right]).toEqual([false, true, true])
    expect([(await first).granted, (await taken).granted, (await held).granted]).toEqual([true, true, false])
    expect(writes()).toBe(before + 2)
    const read = await store.load('a')
    expect([read.spent.calls, read.token?.generation]).toEqual([2, epoch])
  })

  it('all hear of it where a write that they share fails, and nothing is changed', async () => {
    const path = here()
    let isFull = false
    const clock = new VirtualClock()
    const { store } = opened(path, {
      clock,
      onStep: (step) => {
        if (step === 'renamed') clock.block(10)
        if (isFull && step === 'written') throw new Error('no space left')
      },
    })
    await published(store, 'a')
    const before = readFileSync(path)
    isFull = true
    const all = keys.map(async (key) => store.acquire(key, WANTED))
    for (const { status } of await Promise.allSettled(all)) expect(status).toBe('rejected')
    expect(readFileSync(path).equals(before)).toBe(true)
    isFull = false
    expect((await store.acquire('b', WANTED)).granted).toBe(true)
  })
})

describe('what others wrote', () => {
  it('is understood once, however many watch and look', async () => {
    const path = here()
    const { store: writer } = opened(path)
    for (const key of keys) await published(writer, key)
    const { store } = opened(path)
    const parse = vi.spyOn(JSON, 'parse')
    cleanUp(() => parse.mockRestore())
    const heard: (Notice | undefined)[][] = keys.map(() => [])
    for (const one of heard) store.watch((notice) => one.push(notice))
    for (const key of keys) await store.load(key)
    const { stored } = await writer.acquire('new', WANTED)
    await writer.publish('new', stored.epoch, token(stored.epoch))
    await vi.waitFor(() => expect(heard[0]).toHaveLength(1), { timeout: 10_000 })
    for (const key of keys) await store.load(key)
    expect(heard).toEqual(keys.map(() => [{ key: 'new', generation: stored.epoch, suspect: false }]))
    // As it was, with the lease, and with the token.
    const read = parse.mock.calls.filter(([text]) => text.includes('"format":"token-thread"'))
    expect(read.length).toBeLessThanOrEqual(3)
  })

  it('is news to those who watch already, and not to who comes then', async () => {
    const path = here()
    const { store } = opened(path)
    const heard: unknown[][] = [[], []]
    store.watch((notice) => heard[0]?.push(notice?.generation))
    const generation = await published(opened(path).store, 'a')
    store.watch((notice) => heard[1]?.push(notice?.generation))
    await vi.waitFor(() => expect(heard[0]).toEqual([generation]), { timeout: 10_000 })
    const second = await published(store, 'b')
    expect(heard).toEqual([[generation, second], [second]])
  })

  it('is seen, also where only its bytes tell', async () => {
    const path = here()
    const { store } = opened(path)
    const { store: other } = opened(path)
    await other.acquire('a', WANTED)
    const text = readFileSync(path, 'utf8')
    // In place, of one length, and within one tick of the file system's clock.
    for (let i = 10; i < 99; i++) {
      writeFileSync(path, text.replace('"calls":0', `"calls":${i}`))
      expect((await store.load('a')).spent.calls).toBe(i)
    }
  })

  // Linux counts the bytes that a thread has read.
  const IO = '/proc/thread-self/io'
  it.runIf(existsSync(IO))('is read once, also where many look again and again', async () => {
    const path = here()
    const { store: writer } = opened(path)
    for (const key of keys) await published(writer, key)
    const size = readFileSync(path).length
    // As if it were later: a file that was written just now may be written again within the same tick.
    const { store } = opened(path, { clock: { ...systemClock, now: () => systemClock.now() + 60_000 } })
    const read = (): number => Number(/rchar: (\d+)/.exec(readFileSync(IO, 'utf8'))?.[1])
    const before = read()
    for (let i = 0; i < 20; i++) for (const key of keys) expect((await store.load(key)).token).toBeDefined()
    expect(read() - before).toBeLessThan(3 * size)
  })
})
