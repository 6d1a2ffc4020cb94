import fc from 'fast-check'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Store } from '../../src/store.js'
import { memoryStore } from '../../workers/stores/memory.js'
import { folder, opened } from '../fixtures/file-processes.js'
import { VirtualClock } from '../support/virtual-clock.js'

/** `npm run proof` asks for more. */
const runs = (few: number): number => few * Number(process.env.PROPERTY_RUNS ?? 1)

const KEYS = ['a', 'b', '__proto__']
const key = fc.constantFrom(...KEYS)
/** How far an epoch or a generation is from the last one of its account. */
const off = fc.constantFrom(0, 0, 0, -1, 1, 1_000_000)
const whole = fc.maxSafeNat()
const maybe = fc.option(whole, { nil: undefined })
const spent = fc.record({ dayEnds: whole, calls: whole, forced: whole, lastCall: maybe, lastForced: maybe })
const retry = fc.option(fc.record({ at: whole, failures: fc.nat() }), { nil: undefined })
const duration = fc.constantFrom(1, 1_000, 12_500)

const operation = fc.oneof(
  fc.record({ do: fc.constant('load' as const), key }),
  fc.record({ do: fc.constant('acquire' as const), key, duration, known: fc.constantFrom(0, 5, 2e12) }),
  fc.record({ do: fc.constant('spend' as const), key, off, spent }),
  fc.record({
    do: fc.constant('publish' as const),
    key,
    off,
    generationOff: off,
    accessToken: fc.string({ unit: 'binary' }),
    issuedAt: whole,
    expiresAt: whole,
  }),
  fc.record({ do: fc.constant('markSuspect' as const), key, off }),
  fc.record({ do: fc.constant('release' as const), key, off, retry }),
  fc.record({ do: fc.constant('step' as const), ms: fc.constantFrom(1, 999, 12_500, -20_000, -2_000_000) }),
)
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

/** Does it, reckoning from the last epoch and generation: random ones would be refused always. */
async function answerOf(store: Store, clock: VirtualClock, operation: Operation): Promise<unknown> {
  if (operation.do === 'step') return clock.step(operation.ms)
  const { epoch, token } = await store.load(operation.key)
  switch (operation.do) {
    case 'load':
      return plain(await store.load(operation.key))
    case 'acquire': {
      const { stored, ...answer } = await store.acquire(operation.key, operation)
      return { ...answer, stored: plain(stored) }
    }
    case 'spend':
      return store.spend(operation.key, epoch + operation.off, operation.spent)
    case 'publish': {
      const { accessToken, issuedAt, expiresAt, generationOff, off } = operation
      const generation = Math.max(token?.generation ?? 0, epoch) + generationOff
      return store.publish(operation.key, epoch + off, { accessToken, issuedAt, expiresAt, generation })
    }
    case 'markSuspect':
      return store.markSuspect(operation.key, (token?.generation ?? 0) + operation.off)
    case 'release':
      return store.release(operation.key, epoch + operation.off, operation.retry)
  }
}

const plain = ({ now, epoch, token, suspectSince, spent, retry }: Awaited<ReturnType<Store['load']>>) => ({
  now,
  epoch,
  token,
  suspectSince,
  spent,
  retry,
})

it('two stores on one file answer any operations as one memory does', async () => {
  const at = folder()
  let count = 0
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(operation, fc.boolean()), { maxLength: 30 }), async (operations) => {
      const path = join(at, `${(count += 1)}`, 'tokens.json')
      const clocks = [new VirtualClock(), new VirtualClock()] as const
      const memory = memoryStore(clocks[0])
      const [one, other] = [opened(path, { clock: clocks[1] }), opened(path, { clock: clocks[1] })]
      for (const [operation, byOne] of operations) {
        const expected = await answerOf(memory, clocks[0], operation)
        const answer = await answerOf((byOne ? one : other).store, clocks[1], operation)
        expect(answer, JSON.stringify(operation)).toEqual(expected)
      }
      for (const key of KEYS) expect(plain(await one.store.load(key))).toEqual(plain(await memory.load(key)))
      expect([one.warnings, other.warnings]).toEqual([[], []])
      rmSync(join(at, `${count}`), { recursive: true, force: true })
    }),
    { numRuns: runs(60) },
  )
})
