import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Acquired, Awaitable, Notice, PublishedToken, Store, Stored, StoredSpent } from '../src/store.js'

/** One thing that a store must do. */
export interface ContractCase {
  readonly name: string
  /**
   * `open` gives a store on the same storage each time, as if by another process; what it opened is closed again.
   * Throws an AssertionError where the store breaks the contract.
   */
  readonly run: (open: () => Awaitable<Store>) => Promise<void>
}

/**
 * The contract of a store as tests, for any test runner. It needs no empty storage: each case has keys of its own.
 *
 *     for (const { name, run } of storeContract) test(name, () => run(() => openMyStore()))
 */
export const storeContract: readonly ContractCase[] = [
  contract('an unknown account has an empty record, and reading makes none', async ({ a, b, key }) => {
    for (const store of [a, b, a]) {
      const { now, ...rest } = plain(await store.load(key))
      assert.ok(now > 1_600_000_000_000, `now is ms since the epoch, not ${now}`)
      assert.deepEqual(rest, {
        epoch: 0,
        token: undefined,
        suspectSince: undefined,
        spent: NOTHING,
        retry: undefined,
      })
    }
  }),

  contract('the clock goes on', async ({ a, key }) => {
    const first = (await a.load(key)).now
    await until(async () => (await a.load(key)).now > first, 'now never grew')
  }),

  contract('one lease at a time; the other hears how long it lasts', async ({ a, b, key }) => {
    const epoch = await granted(a, key, 60_000)
    const other = await b.acquire(key, { duration: 60_000, known: 0 })
    assert.ok(!other.granted, 'a second lease was granted while the first one lasted')
    assert.ok(other.heldFor > 0 && other.heldFor <= 60_000, `heldFor is ${other.heldFor}`)
    assert.equal(other.stored.epoch, epoch)
    assert.ok(
      !(await a.acquire(key, { duration: 60_000, known: 0 })).granted,
      'its own holder got a second one',
    )
  }),

  contract('of many who knock at once one gets it', async ({ a, b, key }) => {
    const knocks = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? a : b))
    const answers = await Promise.all(
      knocks.map(async (store) => store.acquire(key, { duration: 60_000, known: 0 })),
    )
    assert.equal(answers.filter((answer) => answer.granted).length, 1)
  }),

  contract('a released lease is free at once, and the next epoch is higher', async ({ a, b, key }) => {
    const first = await granted(a, key, 60_000)
    assert.equal(await a.release(key, first), true)
    assert.ok((await granted(b, key, 60_000)) > first)
  }),

  contract('a lease ends by itself', async ({ a, b, key }) => {
    const first = await granted(a, key, 30)
    let second: Acquired | undefined
    await until(
      async () => (second = await b.acquire(key, { duration: 60_000, known: 0 })).granted,
      'never free',
    )
    assert.ok(second && second.stored.epoch > first)
  }),

  contract(
    'an epoch is above the clock, the last epoch, the generation and what the caller knows',
    async (given) => {
      const { a, b, key } = given
      const { stored } = await a.acquire(key, { duration: 60_000, known: 0 })
      assert.ok(stored.epoch >= stored.now - 60_000, `the epoch ${stored.epoch} is far below the clock`)
      const ahead = stored.epoch + 1_000_000
      assert.equal(await a.publish(key, stored.epoch, token(ahead)), true)
      await a.release(key, stored.epoch)
      const second = await granted(b, key, 60_000)
      assert.ok(second > ahead, 'not above the stored generation')
      await b.release(key, second)
      assert.ok(
        (await granted(a, key, 60_000, second + 1_000_000)) > second + 1_000_000,
        'not above what is known',
      )
    },
  ),

  contract('a token is read by all as it was written, however long', async ({ a, b, key }) => {
    const epoch = await granted(a, key, 60_000)
    const long = { ...token(epoch), accessToken: `${'x'.repeat(20_000)} "'\\ 密钥 😀` }
    assert.equal(await a.publish(key, epoch, long), true)
    for (const store of [a, b]) assert.deepEqual((await store.load(key)).token, { ...long, epoch })
  }),

  contract('the day’s count is read by all as it was written', async ({ a, b, key }) => {
    const epoch = await granted(a, key, 60_000)
    const spent = {
      dayEnds: 1_790_000_000_000,
      calls: 7,
      forced: 2,
      lastCall: 1_789_999_999_999,
      lastForced: undefined,
    }
    assert.equal(await a.spend(key, epoch, spent), true)
    assert.deepEqual(plain(await b.load(key)).spent, spent)
    const more = { ...spent, calls: 8, lastForced: 1_789_999_999_998 }
    assert.equal(await a.spend(key, epoch, more), true)
    assert.deepEqual(plain(await b.load(key)).spent, more)
  }),

  contract('a stale holder writes nothing', async ({ a, b, key }) => {
    const stale = await granted(a, key, 60_000)
    await a.release(key, stale)
    const epoch = await granted(b, key, 60_000)
    assert.equal(await b.publish(key, epoch, token(epoch)), true)
    const before = plain(await b.load(key))
    assert.equal(await a.publish(key, stale, token(epoch + 1)), false)
    assert.equal(await a.spend(key, stale, { ...NOTHING, calls: 99 }), false)
    assert.equal(await a.release(key, stale, { at: 1, failures: 9 }), false)
    assert.deepEqual({ ...plain(await a.load(key)), now: 0 }, { ...before, now: 0 })
    assert.ok(
      !(await a.acquire(key, { duration: 60_000, known: 0 })).granted,
      'its release ended another’s lease',
    )
  }),

  contract('a lease that ended and was given to nobody still publishes', async ({ a, b, key }) => {
    const epoch = await granted(a, key, 1)
    await until(async () => (await a.load(key)).now > epoch + 20, 'now never grew')
    assert.equal(await a.publish(key, epoch, token(epoch)), true)
    assert.equal((await b.load(key)).token?.generation, epoch)
  }),

  contract('an older token is refused, the same one only has its times corrected', async ({ a, b, key }) => {
    const first = await granted(a, key, 60_000)
    const published = token(first)
    assert.equal(await a.publish(key, first, published), true)
    await a.release(key, first)
    const second = await granted(b, key, 60_000)
    assert.equal(await b.publish(key, second, token(first - 1)), false)
    const corrected = { ...published, expiresAt: published.expiresAt - 1_000 }
    assert.equal(await b.publish(key, second, corrected), true)
    assert.deepEqual((await a.load(key)).token, { ...corrected, epoch: second })
  }),

  contract(
    'a suspicion is of the stored generation, keeps its first epoch, and a newer token ends it',
    async (given) => {
      const { a, b, key } = given
      const first = await granted(a, key, 60_000)
      await a.markSuspect(key, first)
      assert.equal(plain(await b.load(key)).suspectSince, undefined, 'there was no token to suspect')
      await a.publish(key, first, token(first))
      await b.markSuspect(key, first - 1)
      assert.equal(plain(await b.load(key)).suspectSince, undefined, 'another generation was marked')
      await b.markSuspect(key, first)
      assert.equal((await a.load(key)).suspectSince, first)
      await a.release(key, first)
      const second = await granted(a, key, 60_000)
      await b.markSuspect(key, first)
      assert.equal((await a.load(key)).suspectSince, first, 'a second mark moved the first')
      await a.publish(key, second, token(first))
      assert.equal((await a.load(key)).suspectSince, first, 'the same token ended the suspicion')
      await a.publish(key, second, token(second))
      assert.equal(plain(await b.load(key)).suspectSince, undefined, 'a newer token did not end it')
    },
  ),

  contract('a retry is kept until another one or a token', async ({ a, b, key }) => {
    const first = await granted(a, key, 60_000)
    await a.release(key, first, { at: 1_790_000_000_000, failures: 3 })
    assert.deepEqual((await b.load(key)).retry, { at: 1_790_000_000_000, failures: 3 })
    const second = await granted(b, key, 60_000)
    await b.release(key, second)
    assert.deepEqual((await a.load(key)).retry, { at: 1_790_000_000_000, failures: 3 })
    const third = await granted(b, key, 60_000)
    await b.publish(key, third, token(third))
    assert.equal(plain(await a.load(key)).retry, undefined)
  }),

  contract('accounts are apart, whatever their keys look like', async ({ a, b, key }) => {
    const keys = [
      key,
      `${key} `,
      `${key}%20`,
      key.toUpperCase(),
      `${key}:'"{}*?`,
      `${key}é`,
      `${key}${'k'.repeat(150)}`,
    ]
    for (const [i, one] of keys.entries()) {
      const epoch = await granted(a, one, 60_000)
      await a.publish(one, epoch, { ...token(epoch), accessToken: `token-${i}` })
    }
    for (const [i, one] of keys.entries())
      assert.equal((await b.load(one)).token?.accessToken, `token-${i}`, `the record of '${one}'`)
  }),

  contract('who watches hears of a newer token and of a suspicion, or polls often', async ({ a, b, key }) => {
    const heard: (Notice | undefined)[] = []
    const unwatch = b.watch((notice) => heard.push(notice))
    const pollsOften = (): boolean => (b.pollEvery ?? 30_000) <= POLLS_OFTEN
    // One that polls often may do so only until it knows that notices come through.
    const settled = Date.now() + SETTLING
    const isSettled = (): boolean => !pollsOften() || Date.now() >= settled
    const told = async (generation: number, suspect: boolean, otherwise: string): Promise<void> => {
      const before = heard.length
      await (suspect ? a.markSuspect(key, generation) : a.publish(key, generation, token(generation)))
      const isIt = (n: Notice | undefined): boolean =>
        n?.key === key && n.generation === generation && n.suspect === suspect
      await until(async () => {
        // Undefined: look, whatever it was.
        const isHeard = heard.some(isIt) || heard.slice(before).includes(undefined)
        return Promise.resolve(isHeard || (pollsOften() && isSettled()))
      }, otherwise)
    }
    await b.load(key)
    await until(() => Promise.resolve(isSettled()), 'never settled')
    const epoch = await granted(a, key, 60_000)
    await told(epoch, false, 'no notice of a newer token')
    await told(epoch, true, 'no notice of a suspicion')
    unwatch()
  }),

  contract('one that closes leaves the others working', async ({ a, open, key }) => {
    const other = await open()
    await other.load(key)
    const epoch = await granted(a, key, 60_000)
    await other.close()
    assert.equal(await a.publish(key, epoch, token(epoch)), true)
  }),
]

interface Given {
  /** Two stores on the same storage. */
  readonly a: Store
  readonly b: Store
  /** A key that nobody used before. */
  readonly key: string
  /** Whoever opens closes. */
  readonly open: () => Awaitable<Store>
}

const NOTHING: StoredSpent = { dayEnds: 0, calls: 0, forced: 0, lastCall: undefined, lastForced: undefined }

function contract(name: string, test: (given: Given) => Promise<void>): ContractCase {
  return {
    name,
    run: async (open) => {
      const a = await open()
      const b = await open()
      try {
        await test({ a, b, open, key: `contract/${crypto.randomUUID()}` })
      } finally {
        await a.close()
        await b.close()
      }
    },
  }
}

function token(generation: number): PublishedToken {
  const issuedAt = 1_780_000_000_000
  return { accessToken: `token-${generation}`, issuedAt, expiresAt: issuedAt + 7_200_000, generation }
}

async function granted(store: Store, key: string, duration: number, known = 0): Promise<number> {
  const answer = await store.acquire(key, { duration, known })
  assert.ok(answer.granted, 'a free lease was not granted')
  return answer.stored.epoch
}

/** A record without fields beside the contract's, and with undefined where a store leaves one out. */
function plain({ now, epoch, token, suspectSince, spent, retry }: Stored): Stored {
  const { dayEnds, calls, forced, lastCall, lastForced } = spent
  return { now, epoch, token, suspectSince, spent: { dayEnds, calls, forced, lastCall, lastForced }, retry }
}

const PATIENCE = 10_000
/** ms, of `pollEvery`: with less a store needs no notices. */
const POLLS_OFTEN = 5_000
/** ms for which that must stay so. */
const SETTLING = 1_000

async function until(holds: () => Promise<boolean>, otherwise: string): Promise<void> {
  const end = Date.now() + PATIENCE
  while (!(await holds())) {
    assert.ok(Date.now() < end, `${otherwise} within ${PATIENCE} ms`)
    await sleep(5)
  }
}
