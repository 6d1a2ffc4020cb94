import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { Store } from '../../src/store.js'
import { encryptedStore, plainStore } from '../../workers/stores/encrypted.js'
import { memoryStore } from '../../workers/stores/memory.js'
import { StoreOperatorError } from '../../workers/stores/store-error.js'
import { numbered, SPENT } from '../fixtures/file-plan.js'
import { VirtualClock } from '../support/virtual-clock.js'

const newKey = (): string => randomBytes(32).toString('base64')
const wanted = { duration: 60_000, known: 0 }

/** A token that lives for so many ms more. */
async function published(
  store: Store,
  key = 'a',
  accessToken = 'a secret token',
  left = 7_200_000,
): Promise<number> {
  const { stored } = await store.acquire(key, wanted)
  const { epoch, now } = stored
  const expiresAt = now + left
  const token = { accessToken, issuedAt: expiresAt - 7_200_000, expiresAt, generation: epoch }
  expect(await store.publish(key, epoch, token)).toBe(true)
  expect(await store.release(key, epoch)).toBe(true)
  return epoch
}

const rawToken = async (store: Store, key = 'a'): Promise<string> =>
  (await store.load(key)).token?.accessToken ?? ''

/** All but the clock. */
const recordIn = async (store: Store, key = 'a'): Promise<unknown> => ({ ...(await store.load(key)), now: 0 })

/** The mend is named, the token and the keys are not. */
async function expectRefused(
  doing: Promise<unknown>,
  what: string,
  secrets: readonly string[],
): Promise<void> {
  const error: unknown = await doing.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(error instanceof StoreOperatorError)) throw new Error(`no StoreOperatorError: ${String(error)}`)
  expect(error.message).toContain(what)
  for (const secret of secrets) expect(error.message).not.toContain(secret)
}

describe('a store with a key', () => {
  it('holds no token in the clear, and the same one never twice alike', async () => {
    const memory = memoryStore(systemClock)
    const store = encryptedStore(memory, [newKey()])
    await published(store)
    const first = await rawToken(memory)
    await published(store)
    expect(first).toMatch(/^token-thread:aes-256-gcm:1:[\w-]{16}\.[\w-]+\.[\w-]{22}$/)
    expect(await rawToken(memory)).not.toBe(first)
    expect((await store.load('a')).token?.accessToken).toBe('a secret token')
  })

  it('writes with the first key and reads with all', async () => {
    const memory = memoryStore(systemClock)
    const [old, young] = [newKey(), newKey()]
    await published(encryptedStore(memory, [old]))
    const both = encryptedStore(memory, [young, old])
    expect((await both.load('a')).token?.accessToken).toBe('a secret token')
    await published(both)
    expect((await encryptedStore(memory, [young]).load('a')).token?.accessToken).toBe('a secret token')
    await expect(encryptedStore(memory, [old]).load('a')).rejects.toThrow(StoreOperatorError)
  })

  it('says so where no key opens the token, and changes nothing', async () => {
    const memory = memoryStore(systemClock)
    const keys = [newKey(), newKey()]
    const epoch = await published(encryptedStore(memory, keys.slice(0, 1)))
    const before = await recordIn(memory)
    const wrong = encryptedStore(memory, keys.slice(1))
    const secrets = [...keys, await rawToken(memory)]
    await expectRefused(Promise.resolve(wrong.load('a')), 'store.encryptionKey', secrets)
    await expectRefused(Promise.resolve(wrong.acquire('a', wanted)), 'store.encryptionKey', secrets)
    expect(await wrong.spend('a', epoch + 1, SPENT)).toBe(false)
    expect(await wrong.publish('a', epoch + 1, numbered(epoch + 1))).toBe(false)
    expect(await recordIn(memory)).toEqual(before)
    expect((await memory.acquire('a', wanted)).granted).toBe(true)
  })

  it('starts over a token that has ended, whoever sealed it', async () => {
    const clock = new VirtualClock()
    const memory = memoryStore(clock)
    const epoch = await published(encryptedStore(memory, [newKey()]))
    await memory.markSuspect('a', epoch)
    const other = encryptedStore(memory, [newKey()])
    const changed = (await rawToken(memory)).slice(0, -3)
    clock.block(7_199_999)
    await expectRefused(Promise.resolve(other.load('a')), 'store.encryptionKey', [])
    clock.block(1)
    const read = await other.load('a')
    expect([read.token, read.suspectSince, read.epoch]).toEqual([undefined, undefined, epoch])
    expect(await published(other)).toBeGreaterThan(epoch)
    expect((await other.load('a')).token?.accessToken).toBe('a secret token')
    await published(memory, 'b', changed, 0)
    expect((await other.load('b')).token).toBeUndefined()
    // Without a key it would be replaced by one in the clear.
    await published(other, 'c', 'a secret token', 0)
    await expectRefused(Promise.resolve(plainStore(memory).load('c')), 'store.encryptionKey', [])
  })

  it('leaves no lease where the token came between the look and the lease', async () => {
    const memory = memoryStore(systemClock)
    const right = encryptedStore(memory, [newKey()])
    const late: Store = {
      ...memory,
      acquire: async (key, lease) => {
        await published(right)
        return memory.acquire(key, lease)
      },
    }
    await expect(encryptedStore(late, [newKey()]).acquire('a', wanted)).rejects.toThrow('store.encryptionKey')
    expect((await memory.acquire('a', wanted)).granted).toBe(true)
  })

  it('opens no token that was moved from another account, or changed', async () => {
    const memory = memoryStore(systemClock)
    const store = encryptedStore(memory, [newKey()])
    await published(store)
    const sealed = await rawToken(memory)
    await published(memory, 'b', sealed)
    await expect(store.load('b')).rejects.toThrow('moved from another account')
    for (const changed of [
      sealed.replace('gcm:1:', 'gcm:2:'),
      sealed.replace('aes-256', 'aes-128'),
      sealed.slice(0, -3),
      sealed.slice(0, -22),
      `${sealed.slice(0, 40)}${sealed[40] === 'A' ? 'B' : 'A'}${sealed.slice(41)}`,
      'token-thread:aes-256-gcm:1:',
      'token-thread:aes-256-gcm:1:..',
    ]) {
      await published(memory, 'c', changed)
      await expect(store.load('c'), changed).rejects.toThrow(StoreOperatorError)
    }
  })

  it('trusts no token in the clear: one is fetched and written anew, under a higher epoch', async () => {
    const memory = memoryStore(systemClock)
    const { stored } = await memory.acquire('a', wanted)
    const generation = stored.epoch + 1_000_000
    await memory.publish('a', stored.epoch, numbered(generation))
    await memory.markSuspect('a', generation)
    await memory.release('a', stored.epoch)
    const store = encryptedStore(memory, [newKey()])
    const read = await store.load('a')
    expect([read.token, read.suspectSince]).toEqual([undefined, undefined])
    expect(await published(store)).toBeGreaterThan(generation)
    expect(await rawToken(memory)).toMatch(/^token-thread:/)
  })

  it('takes no key of another length', () => {
    for (const keys of [[], [''], ['short'], [newKey(), randomBytes(31).toString('base64')]])
      expect(() => encryptedStore(memoryStore(systemClock), keys)).toThrow('store.encryptionKey')
  })
})

describe('a store without a key', () => {
  it('hands out no encrypted token: it asks for the key and changes nothing', async () => {
    const memory = memoryStore(systemClock)
    await published(encryptedStore(memory, [newKey()]))
    const before = await recordIn(memory)
    const plain = plainStore(memory)
    const secrets = [await rawToken(memory)]
    await expectRefused(Promise.resolve(plain.load('a')), 'store.encryptionKey', secrets)
    await expectRefused(Promise.resolve(plain.acquire('a', wanted)), 'store.encryptionKey', secrets)
    expect(await recordIn(memory)).toEqual(before)
  })
})

it('what a store says of its polling holds, also when it changes', () => {
  let every = 5
  const memory = memoryStore(systemClock)
  const store = plainStore({
    ...memory,
    get pollEvery() {
      return every
    },
  })
  expect([plainStore(memory).pollEvery, store.pollEvery]).toEqual([30_000, 5])
  every = 7
  expect(store.pollEvery).toBe(7)
})
