import { inspect } from 'node:util'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { TokenThreadError } from '../../src/index.js'
import { fakeTokens } from '../../testing/index.js'
import { failureOf } from './reading-face.js'

const laterTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const busy = (): TokenThreadError =>
  new TokenThreadError({
    code: 'ERR_ISSUER_REFUSED',
    message: 'errcode -1: busy',
    retryable: true,
    errcode: -1,
  })

afterEach(() => void vi.useRealTimers())

describe('what the options say', () => {
  test('the first token, its life, the id and the clock', () => {
    const tokens = fakeTokens({ accessToken: 'mine', lifetime: 1000, id: 'shop', now: () => 5000 })
    expect(tokens.get()).toBe('mine')
    expect(tokens.current).toMatchObject({ issuedAt: 5000, expiresAt: 6000, generation: 5000 })
    expect(tokens.account('shop')).toBe(tokens)
  })

  test('tokens of its own are numbered', () => {
    const tokens = fakeTokens()
    expect([tokens.get(), tokens.rotate().accessToken, tokens.rotate().accessToken]).toEqual([
      'fake-token-1',
      'fake-token-2',
      'fake-token-3',
    ])
  })

  test.each<[object, string]>([
    [{ lifetime: 0 }, 'lifetime is 0'],
    [{ accessToken: '' }, 'accessToken must be a non-empty string'],
    [{ id: '' }, 'id must be a non-empty string'],
    [{ life_time: 1 }, 'life_time is no option: did you mean lifetime?'],
  ])('%j is a mistake', (options, message) => {
    expect(() => fakeTokens(options)).toThrow(message)
  })
})

describe('rotate', () => {
  test('gives a token of the test’s own, of a higher generation even while the clock stands still', () => {
    const tokens = fakeTokens({ now: () => 5000 })
    expect(tokens.rotate('next')).toMatchObject({ accessToken: 'next', generation: 5001 })
    expect(tokens.get()).toBe('next')
  })

  test('its listeners hear in a later turn, in order', async () => {
    const tokens = fakeTokens()
    const heard: string[] = []
    tokens.on('token', ({ accessToken }) => heard.push(accessToken))
    tokens.on('expired', (id) => heard.push(id))
    tokens.rotate()
    tokens.expire()
    tokens.rotate()
    expect(heard).toEqual([])
    await laterTurn()
    expect(heard).toEqual(['fake-token-2', 'fake-account', 'fake-token-3'])
  })

  test('of the same token only moves its expiry', async () => {
    let now = 5000
    const tokens = fakeTokens({ lifetime: 1000, now: () => now })
    const onToken = vi.fn()
    tokens.on('token', onToken)
    now = 5500
    expect(tokens.rotate('fake-token-1')).toMatchObject({ generation: 5000, expiresAt: 6500 })
    await laterTurn()
    expect(onToken).not.toHaveBeenCalled()
  })

  test('while a rejection is under way answers it', async () => {
    const tokens = fakeTokens()
    const rejected = tokens.reject('fake-token-1')
    expect(tokens.status().state).toBe('suspect')
    const fresh = tokens.rotate('from elsewhere')
    expect(await rejected).toBe(fresh)
    expect(tokens.get()).toBe('from elsewhere')
  })
})

describe('failures', () => {
  test('failNext fails as often as it was called', async () => {
    const tokens = fakeTokens()
    const [first, second, third] = [busy(), busy(), busy()]
    tokens.failNext('reject', first)
    tokens.failNext('reject', second)
    tokens.failNext('refresh', third)
    expect(await failureOf(tokens.reject('fake-token-1'))).toBe(first)
    expect(await failureOf(tokens.reject('fake-token-1'))).toBe(second)
    expect(await failureOf(tokens.refresh())).toBe(third)
    expect((await tokens.reject('fake-token-1')).accessToken).toBe('fake-token-2')
    expect((await tokens.refresh()).accessToken).toBe('fake-token-3')
  })

  test('fail is an event, in the status, and the cause once the token has ended', async () => {
    const tokens = fakeTokens({ now: () => 5000 })
    const onFailure = vi.fn()
    tokens.on('failure', onFailure)
    const error = busy()
    tokens.fail(error)
    expect(tokens.get()).toBe('fake-token-1')
    expect(tokens.status()).toMatchObject({
      failures: 1,
      lastFailure: { code: 'ERR_ISSUER_REFUSED', errcode: -1, at: 5000 },
    })
    await laterTurn()
    expect(onFailure.mock.calls).toEqual([[error, 'fake-account']])
    tokens.expire()
    expect(() => tokens.get()).toThrow(
      expect.objectContaining({
        code: 'ERR_TOKEN_UNAVAILABLE',
        message: 'account fake-account: the last token expired at 1970-01-01T00:00:05.000Z; errcode -1: busy',
        cause: error,
      }),
    )
    tokens.rotate()
    expect(tokens.status().failures).toBe(0)
  })
})

test('rejected tells what reject was called with', async () => {
  const tokens = fakeTokens()
  await tokens.reject('fake-token-1')
  await tokens.reject('fake-token-1')
  await tokens.reject('another')
  expect(tokens.rejected).toEqual(['fake-token-1', 'fake-token-1', 'another'])
  expect(tokens.get()).toBe('fake-token-2')
  expect(inspect(tokens)).toMatch(/^FakeTokens \{ id: 'fake-account', state: 'valid', .*rejected: 3 \}$/)
})

test('fake timers neither hold a rejection up nor keep a token from ending', async () => {
  vi.useFakeTimers()
  const tokens = fakeTokens({ lifetime: 1000 })
  expect((await tokens.reject('fake-token-1')).accessToken).toBe('fake-token-2')
  vi.advanceTimersByTime(999)
  expect(tokens.get()).toBe('fake-token-2')
  vi.advanceTimersByTime(1)
  expect(() => tokens.get()).toThrow('the last token expired')
  vi.runAllTimers()
})

test('await using closes it', async () => {
  const tokens = fakeTokens()
  {
    await using used = tokens
    used.get()
  }
  expect(tokens.status().state).toBe('closed')
})
