import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { numbered, PATIENT } from '../fixtures/file-plan.js'
import { buildProgram, countingClock, folder, opened } from '../fixtures/file-processes.js'

const { start, remove } = buildProgram()
afterAll(remove)

const here = (): string => join(folder(), 'tokens.json')

describe('processes that share a file', () => {
  it('count together without losing one, on one account and on their own, while others die with the lock', async () => {
    const path = here()
    const times = 8
    const all = Array.from({ length: 10 }, (_, i) =>
      start({ path, do: 'count', times, key: i % 2 === 0 ? 'shared' : `own-${i}` }),
    )
    const dying = ['claiming', 'locked', 'writing', 'written', 'renaming', 'renamed'].map((pauseAt, i) =>
      start({ path, do: 'publish', times: 1, key: `dying-${i}`, pauseAt, pauseIn: 2 }),
    )
    for (const child of [...all, ...dying]) await child.line('up')
    for (const child of [...all, ...dying]) child.go()
    for (const child of dying) {
      await child.line('at')
      await child.kill()
    }
    for (const child of all) {
      await child.line('end')
      await child.ended
      expect(child.lines).toEqual(['up', 'end'])
    }
    const { store } = opened(path)
    expect((await store.load('shared')).spent.calls).toBe(5 * times)
    for (let i = 1; i < 10; i += 2) expect((await store.load(`own-${i}`)).spent.calls).toBe(times)
  })

  it('see whole records only, while others write', async () => {
    const path = here()
    const writer = start({ path, do: 'publish', times: 100, key: 'a' })
    await writer.line('up')
    const { store, warnings } = opened(path)
    writer.go()
    let isOver = false
    void writer.ended.then(() => (isOver = true))
    while (!isOver) {
      const { token } = await store.load('a')
      if (token) expect(token.accessToken).toBe(numbered(token.generation).accessToken)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(writer.lines.filter((line) => line.startsWith('true'))).toHaveLength(100)
    expect(warnings).toEqual([])
  })

  it('make a missing folder at once, for their user alone', async () => {
    const path = join(folder(), 'not', 'there', 'tokens.json')
    const both = [1, 2].map((i) => start({ path, do: 'count', times: 1, key: `key-${i}` }))
    for (const child of both) await child.line('up')
    for (const child of both) child.go()
    for (const child of both) await child.line('end')
    for (const made of [join(path, '..'), join(path, '..', '..')])
      expect(statSync(made).mode & 0o777).toBe(0o700)
    const { store } = opened(path)
    for (const i of [1, 2]) expect((await store.load(`key-${i}`)).spent.calls).toBe(1)
  })
})

const STEPS = ['claiming', 'locked', 'writing', 'written', 'renaming'] as const

describe.runIf(process.platform === 'linux')('a process that sleeps in the middle of a write', () => {
  for (const pauseAt of STEPS) {
    it(`overwrites nothing when it wakes up (stopped at: ${pauseAt})`, async () => {
      const path = here()
      const sleeper = start({ path, do: 'publish', times: 1, key: 'a', pauseAt, pauseIn: 2 })
      await sleeper.line('up')
      sleeper.go()
      await sleeper.line('at')
      await sleeper.stop()
      const { store } = opened(path, { operationTimeout: PATIENT })
      const { granted, stored } = await store.acquire('a', { duration: 200, known: 0 })
      expect(granted).toBe(true)
      expect(await store.publish('a', stored.epoch, numbered(stored.epoch))).toBe(true)
      sleeper.wake()
      sleeper.go()
      await sleeper.line('false')
      await sleeper.ended
      expect((await store.load('a')).token).toEqual({ ...numbered(stored.epoch), epoch: stored.epoch })
    })

    it(`does its own beside what others wrote (stopped at: ${pauseAt})`, async () => {
      const path = here()
      const sleeper = start({ path, do: 'publish', times: 1, key: 'a', pauseAt, pauseIn: 2 })
      await sleeper.line('up')
      sleeper.go()
      await sleeper.line('at')
      await sleeper.stop()
      const { store } = opened(path, { operationTimeout: PATIENT })
      const { stored } = await store.acquire('b', { duration: 200, known: 0 })
      expect(await store.publish('b', stored.epoch, numbered(stored.epoch))).toBe(true)
      sleeper.wake()
      sleeper.go()
      const generation = Number((await sleeper.line('true')).split(' ')[1])
      await sleeper.ended
      expect((await store.load('a')).token?.generation).toBe(generation)
      expect((await store.load('b')).token?.generation).toBe(stored.epoch)
    })
  }

  it('waits for the one that took its lock over', async () => {
    const path = here()
    const sleeper = start({ path, do: 'count', times: 1, key: 'a', pauseAt: 'locked' })
    await sleeper.line('up')
    sleeper.go()
    await sleeper.line('at')
    await sleeper.stop()
    const next = start({ path, do: 'publish', times: 1, key: 'b', pauseAt: 'renaming' })
    await next.line('up')
    next.go()
    await next.line('at')
    sleeper.wake()
    sleeper.go()
    await sleeper.line('waiting')
    next.go()
    await next.line('true')
    await sleeper.line('end')
    const { store } = opened(path)
    expect((await store.load('a')).spent.calls).toBe(1)
    expect((await store.load('b')).token?.generation).toBeGreaterThan(0)
  })

  it('sets no good file aside when it wakes up', async () => {
    const path = here()
    writeFileSync(path, 'garbage')
    const sleeper = start({ path, do: 'count', times: 1, key: 'a', pauseAt: 'renaming', pauseIn: 1 })
    await sleeper.line('up')
    sleeper.go()
    await sleeper.line('at')
    await sleeper.stop()
    const { store, warnings } = opened(path, { operationTimeout: PATIENT })
    // What a stopped holder is given follows the leases that were asked for.
    await store.acquire('b', { duration: 200, known: 0 })
    sleeper.wake()
    sleeper.go()
    await sleeper.line('end')
    await sleeper.ended
    expect(warnings).toHaveLength(1)
    expect(sleeper.lines.join()).not.toMatch(/warn|error/)
    expect((await store.load('b')).epoch).toBeGreaterThan(0)
    const [file, aside, ...more] = readdirSync(join(path, '..')).sort()
    expect([file, more]).toEqual(['tokens.json', []])
    expect(readFileSync(join(path, '..', aside ?? ''), 'utf8')).toBe('garbage')
  })

  it('keeps its lock while it is not stopped for long', async () => {
    const path = here()
    const holder = start({ path, do: 'count', times: 1, key: 'a', pauseAt: 'renaming', pauseIn: 1 })
    await holder.line('up')
    holder.go()
    await holder.line('at')
    const clock = countingClock()
    const { store } = opened(path, { clock, operationTimeout: PATIENT })
    const waiting = store.acquire('b', { duration: 60_000, known: 0 })
    for (let tries = 0; clock.waits() < 5 && tries < 10_000; tries++) await sleep(1)
    expect(clock.waits()).toBeGreaterThanOrEqual(5)
    holder.go()
    await holder.line('end')
    await waiting
    const { store: later } = opened(path)
    expect((await later.load('a')).spent.calls).toBe(1)
    expect((await later.load('b')).epoch).toBeGreaterThan(0)
  })
})

describe.skipIf(process.platform === 'win32')('with libuv’s pool saturated', () => {
  it('a whole refresh is done, and news is heard', async () => {
    const path = here()
    const fifo = join(path, '..', 'fifo')
    execFileSync('mkfifo', [fifo])
    const child = start({ path, do: 'saturated', key: 'a', fifo })
    await child.line('up')
    child.go()
    await child.line('watching')
    const { store } = opened(path)
    const { stored } = await store.acquire('a', { duration: 60_000, known: 0 })
    await store.publish('a', stored.epoch, numbered(stored.epoch))
    expect(await child.line('end')).toBe('end 0')
    await child.ended
  })
})
