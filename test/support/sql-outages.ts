import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Store } from '../../src/store.js'
import { cleanUp } from './cleanup.js'
import { tcpProxy } from './tcp-proxy.js'
import type { OwnServer } from './server-process.js'

/** ms; each statement of the stores under test. */
export const OPERATION_TIMEOUT = 1_000
/** ms; a server's first start writes its files. */
export const STARTING = 60_000
/** ms; an operation is a few statements, and the machine may be busy. */
export const BOUND = 10_000

/**
 * What both servers' stores must stand: their server is restarted, killed, paused, replaced. An 'error' event that
 * nobody hears would fail the whole run.
 */
export function outageTests(given: {
  readonly start: () => Promise<OwnServer>
  readonly open: (url: string) => Store
  readonly dropTable: (url: string) => Promise<unknown>
}): void {
  let server: OwnServer
  let key: string
  let store: Store
  beforeAll(async () => {
    server = await given.start()
  }, STARTING)
  afterAll(() => server.remove())
  beforeEach(async () => {
    await server.start()
    key = randomUUID()
    store = given.open(server.url)
    const opened = store
    cleanUp(() => opened.close())
  }, STARTING)
  const lease = async (): Promise<number> => {
    const acquired = await store.acquire(key, { duration: 60_000, known: 0 })
    expect(acquired.granted).toBe(true)
    return acquired.stored.epoch
  }

  test('works again after the server was restarted, with what was stored', async () => {
    const epoch = await lease()
    await server.stop()
    await expect(bounded(() => store.load(key))).rejects.toThrow(/./)
    await server.start()
    expect((await untilWorks(() => store.load(key))).epoch).toBe(epoch)
  })

  test('works again after the server was killed in the middle of operations', async () => {
    const epoch = await lease()
    const pending = Array.from({ length: 20 }, (_, calls) => settled(store.spend(key, epoch, spent(calls))))
    await server.kill()
    await bounded(() => Promise.all(pending))
    await expect(bounded(() => store.load(key))).rejects.toThrow(/./)
    await server.start()
    expect((await untilWorks(() => store.load(key))).epoch).toBe(epoch)
  })

  test('fails in bounded time while the server is paused, all waiting at once, and works when it goes on', async () => {
    const epoch = await lease()
    server.pause()
    for (let round = 0; round < 2; round += 1) {
      const pending = Array.from({ length: 20 }, async () => settled(store.load(key)))
      // Twenty that waited for each other's deadlines would take ten times as long.
      const outcomes = await bounded(() => Promise.all(pending), 4 * OPERATION_TIMEOUT)
      expect(new Set(outcomes)).toEqual(new Set(['failed']))
    }
    server.resume()
    expect((await untilWorks(() => store.load(key))).epoch).toBe(epoch)
  })

  test('closes promptly while the server is paused, and what is pending fails', async () => {
    await lease()
    store.watch(() => undefined)
    server.pause()
    const pending = settled(store.load(key))
    await bounded(async () => store.close(), 5_000)
    expect(await pending).toBe('failed')
    await expect(store.load(key)).rejects.toThrow('closed')
  })

  test('closes promptly while the server is away', async () => {
    await lease()
    store.watch(() => undefined)
    await server.kill()
    await bounded(async () => store.close(), 5_000)
  })

  test('a connection that the network lost without a word costs one deadline, not more', async () => {
    const epoch = await lease()
    const network = await tcpProxy(server.port)
    cleanUp(() => network.remove())
    const url = new URL(server.url)
    url.port = String(network.port)
    const far = given.open(url.href)
    cleanUp(() => far.close())
    await bounded(() => Promise.all([1, 2, 3].map(async () => far.load(key))))
    network.silence()
    network.mend()
    await expect(bounded(() => far.load(key))).rejects.toThrow('did not answer')
    expect((await bounded(() => far.load(key))).epoch).toBe(epoch)
  })

  test('makes the table anew where it vanished, as in a server that was replaced', async () => {
    await lease()
    await given.dropTable(server.url)
    expect((await untilWorks(() => store.load(key))).epoch).toBe(0)
    await lease()
  })
}

const spent = (calls: number) => ({
  dayEnds: 1,
  calls,
  forced: 0,
  lastCall: undefined,
  lastForced: undefined,
})

async function settled(operation: unknown): Promise<'done' | 'failed'> {
  try {
    await operation
    return 'done'
  } catch {
    return 'failed'
  }
}

async function bounded<T>(run: () => T, ms = BOUND): Promise<Awaited<T>> {
  const before = performance.now()
  try {
    return await run()
  } finally {
    expect(performance.now() - before).toBeLessThan(ms)
  }
}

/** An operation may still meet a connection of before. */
async function untilWorks<T>(run: () => T): Promise<Awaited<T>> {
  const end = performance.now() + BOUND
  for (;;) {
    try {
      return await run()
    } catch (error) {
      if (performance.now() > end) throw error
    }
  }
}
