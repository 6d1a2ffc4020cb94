import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { Notice, Store, Stored } from '../../src/store.js'
import { memoryStore } from '../../workers/stores/memory.js'
import { openRedis, redisServer, type RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'
import { describeWith } from '../support/servers.js'

/** Any sequence of operations has the same answers from Redis and from memory, the contract in plain arithmetic. */

const RUNS = 150 * Number(process.env.PROPERTY_RUNS ?? 1)

/** Numbers are relative to what is stored when the operation comes: free ones would hardly ever be the right ones. */
const offset = fc.constantFrom(0, 0, 0, 1, -1, 1_000)
const day = fc.record({
  dayEnds: fc.integer({ min: 0, max: 2_000_000_000_000 }),
  calls: fc.nat(),
  forced: fc.nat(),
  lastCall: fc.option(fc.nat(), { nil: undefined }),
  lastForced: fc.option(fc.nat(), { nil: undefined }),
})
const operation = fc.oneof(
  fc.record({ kind: fc.constant('load') }),
  fc.record({
    kind: fc.constant('acquire'),
    // Ended at once; held; so short that one held before is taken for that of another clock.
    duration: fc.constantFrom(1, 60_000, 2_000),
    known: fc.constantFrom(0, 5, 4_000_000_000_000_001),
  }),
  fc.record({ kind: fc.constant('spend'), epoch: offset, spent: day }),
  fc.record({
    kind: fc.constant('publish'),
    epoch: offset,
    generation: offset,
    // 0: relative to the stored generation, otherwise to the epoch.
    from: fc.constantFrom('generation', 'epoch'),
    accessToken: fc.string({ unit: 'grapheme', minLength: 1 }),
    expiresAt: fc.integer({ min: 0, max: 4_000_000_000_000 }),
  }),
  fc.record({ kind: fc.constant('suspect'), generation: offset }),
  fc.record({
    kind: fc.constant('release'),
    epoch: offset,
    retry: fc.option(fc.record({ at: fc.nat(), failures: fc.nat() }), { nil: undefined }),
  }),
)
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

function run(store: Store, key: string, operation: Operation, seen: Stored): unknown {
  const generation = seen.token?.generation ?? 0
  const near = (base: number, by: number): number => Math.max(0, base + by)
  switch (operation.kind) {
    case 'load':
      return store.load(key)
    case 'acquire':
      return store.acquire(key, operation)
    case 'spend':
      return store.spend(key, near(seen.epoch, operation.epoch), operation.spent)
    case 'publish':
      return store.publish(key, near(seen.epoch, operation.epoch), {
        accessToken: operation.accessToken,
        issuedAt: 1,
        expiresAt: operation.expiresAt,
        generation: near(operation.from === 'epoch' ? seen.epoch : generation, operation.generation),
      })
    case 'suspect':
      return store.markSuspect(key, near(generation, operation.generation))
    case 'release':
      return store.release(key, near(seen.epoch, operation.epoch), operation.retry)
  }
}

describeWith('redis-program', 'Redis beside memory', () => {
  let server: RedisServer | undefined
  beforeAll(async () => {
    server = await redisServer()
  }, 60_000)
  afterAll(() => server?.remove())

  test('any sequence of operations has the same answers, records and notices', async () => {
    let now = 0
    const memory = memoryStore({ ...systemClock, now: () => now })
    const redis = openRedis({ urls: [server?.url ?? ''] })
    let heard: (Notice | undefined)[] = []
    const expected: Notice[] = []
    redis.watch((notice) => heard.push(notice))
    memory.watch((notice) => notice && expected.push(notice))
    await until(() => heard.length > 0, 'nobody watches')
    heard = []
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 25 }), async (operations) => {
        const key = crypto.randomUUID()
        for (const one of operations) {
          const seen = await redis.load(key)
          const answer = await run(redis, key, one, seen)
          // By the same clock: what Redis said the time was when it answered.
          now = timeIn(answer) ?? now
          // The memory store shows when its lease ends, too.
          expect({ answer: await run(memory, key, one, seen) }).toMatchObject({ answer })
          const after = await redis.load(key)
          now = after.now
          expect(await memory.load(key)).toMatchObject(after)
        }
      }),
      { numRuns: RUNS },
    )
    await until(() => heard.length >= expected.length, 'notices were lost')
    expect(heard).toEqual(expected)
  })
})

function timeIn(answer: unknown): number | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined
  if ('now' in answer && typeof answer.now === 'number') return answer.now
  return 'stored' in answer ? timeIn(answer.stored) : undefined
}
