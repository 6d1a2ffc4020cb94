import type { EventEmitter } from 'node:events'
import { once } from 'node:events'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ErrorCode, TokenReader, TokenThreadError, TokenThreadEvents } from '../../src/index.js'

/** What a TokenThread and its stand-in have in common. */
export interface ReadingFace extends TokenReader, EventEmitter<TokenThreadEvents> {
  account(id: string): TokenReader
  close(): Promise<void>
}

/** One reading face with a valid token, and the hand of its issuer. */
export interface Subject {
  readonly tokens: ReadingFace
  readonly id: string
  /** APIs refuse the current token from now on, and the next token call brings another one. */
  revoke(): void
  /** From now on `reject` does not get a newer token. */
  breakReject(): void
  /** Resolves when the current token has ended, with no newer one. */
  expire(): Promise<void>
  /** After `expire`: a newer token comes. */
  heal(): void
  dispose(): Promise<void>
}

/** A rejection's error, whichever it is. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => new Error(`it resolved: ${inspect(value)}`),
    (error: unknown) => error,
  )
}

const thrownBy = (run: () => unknown): unknown => {
  try {
    return new Error(`it returned: ${inspect(run())}`)
  } catch (error) {
    return error
  }
}

const withCode = (code: ErrorCode): unknown => expect.objectContaining({ name: 'TokenThreadError', code })

/** Lets the events of this turn happen. */
const laterTurn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

/** How each reading face behaves, whatever is behind it. */
export function describeReadingFace(name: string, start: () => Promise<Subject>): void {
  describe(name, () => {
    let subject: Subject
    let tokens: ReadingFace

    beforeEach(async () => {
      subject = await start()
      tokens = subject.tokens
    })
    afterEach(() => subject.dispose())

    test('get, current and ready give the valid token', async () => {
      const now = Date.now()
      const { current } = tokens
      expect(current?.accessToken).toBe(tokens.get())
      expect(await tokens.ready()).toBe(current)
      expect(current?.issuedAt).toBeLessThanOrEqual(now)
      expect(current?.expiresAt).toBeGreaterThan(now)
      expect(current?.generation).toSatisfy(Number.isSafeInteger)
    })

    test('a rejected token is replaced by one of a higher generation', async () => {
      const old = await tokens.ready()
      subject.revoke()
      const replaced = tokens.reject(old.accessToken)
      expect(tokens.get()).toBe(old.accessToken)
      const fresh = await replaced
      expect(fresh.accessToken).not.toBe(old.accessToken)
      expect(fresh.generation).toBeGreaterThan(old.generation)
      expect(tokens.get()).toBe(fresh.accessToken)
      expect(tokens.status().state).toBe('valid')
    })

    test('many rejections of one token are one, and one event', async () => {
      let events = 0
      await laterTurn()
      tokens.on('token', () => (events += 1))
      const old = tokens.get()
      subject.revoke()
      const fresh = await Promise.all(Array.from({ length: 1000 }, () => tokens.reject(old)))
      expect(new Set(fresh).size).toBe(1)
      await laterTurn()
      expect(events).toBe(1)
    })

    test('rejecting a token that is no longer current gives the current one', async () => {
      const old = tokens.get()
      subject.revoke()
      const fresh = await tokens.reject(old)
      expect(await tokens.reject(old)).toBe(fresh)
      expect(tokens.get()).toBe(fresh.accessToken)
    })

    test('a rejection that brings nothing fails, and whoever did not await it hears an event', async () => {
      subject.breakReject()
      const old = tokens.get()
      const heard = new Promise<[TokenThreadError, string]>((resolve) => {
        tokens.on('failure', (error, id) => {
          if (error.code === 'ERR_TOKEN_REFUSED') resolve([error, id])
        })
      })
      void tokens.reject(old)
      expect(await heard).toEqual([withCode('ERR_TOKEN_REFUSED'), subject.id])
      expect(tokens.get()).toBe(old)
      expect(tokens.status().state).toBe('suspect')
    })

    test('rejecting nothing is a mistake', async () => {
      expect(await failureOf(tokens.reject(''))).toEqual(withCode('ERR_OPTIONS'))
    })

    test('refresh brings a newer token', async () => {
      const old = await tokens.ready()
      const fresh = await tokens.refresh()
      expect(fresh.generation).toBeGreaterThan(old.generation)
      expect(tokens.get()).toBe(fresh.accessToken)
      expect(tokens.status().forcedToday).toBe(1)
    })

    test('an aborted refresh rejects with the reason', async () => {
      const reason = new Error('enough')
      expect(await failureOf(tokens.refresh({ signal: AbortSignal.abort(reason) }))).toBe(reason)
    })

    test('a new token is an event with the account, told after it is in force', async () => {
      await laterTurn()
      const heard = new Promise((resolve) => {
        tokens.once('token', (token, id) => resolve({ token, id, got: tokens.get() }))
      })
      subject.revoke()
      const fresh = await tokens.reject(tokens.get())
      expect(await heard).toEqual({ token: fresh, id: subject.id, got: fresh.accessToken })
    })

    test('an expired token is not given: get throws, ready waits for the next one', async () => {
      const expired = once(tokens, 'expired')
      await subject.expire()
      expect(thrownBy(() => tokens.get())).toEqual(withCode('ERR_TOKEN_UNAVAILABLE'))
      expect(tokens.current).toBeUndefined()
      expect(tokens.status().state).toBe('expired')
      expect(await expired).toEqual([subject.id])
      const reason = new Error('enough')
      expect(await failureOf(tokens.ready({ signal: AbortSignal.abort(reason) }))).toBe(reason)
      const waiting = tokens.ready()
      subject.heal()
      const fresh = await waiting
      expect(tokens.get()).toBe(fresh.accessToken)
    })

    test('no token is shown by the status or an inspected object', async () => {
      const { accessToken } = await tokens.ready()
      const shown = [
        JSON.stringify(tokens.status()),
        inspect(tokens, { depth: 9, showHidden: true }),
        inspect(tokens.current),
      ]
      for (const text of shown) expect(text).not.toContain(accessToken)
      expect(tokens.status()).toMatchObject({ state: 'valid', restarts: 0, failures: 0 })
      expect(tokens.status()).toHaveProperty(['accounts', subject.id, 'state'], 'valid')
    })

    test('says how requests carry the token', () => {
      expect(tokens.requestSide).toMatchObject({
        place: { in: 'query', name: 'access_token' },
        refused: { statuses: [], field: 'errcode', codes: [40001, 40014, 42001] },
      })
      expect(tokens.requestSide?.except).toContain('/cgi-bin/stable_token')
    })

    test('account gives the same token, and knows no other', () => {
      expect(tokens.account(subject.id).get()).toBe(tokens.get())
      const error = thrownBy(() => tokens.account('nobody'))
      expect(error).toEqual(withCode('ERR_OPTIONS'))
      expect(error).toHaveProperty('message', `there is no account nobody: the ids are ${subject.id}`)
    })

    test('once closed, each read says so', async () => {
      const old = tokens.get()
      await Promise.all([tokens.close(), tokens.close()])
      expect(thrownBy(() => tokens.get())).toEqual(withCode('ERR_CLOSED'))
      expect(tokens.current).toBeUndefined()
      expect(tokens.status().state).toBe('closed')
      for (const promise of [tokens.ready(), tokens.reject(old), tokens.refresh()]) {
        expect(await failureOf(promise)).toEqual(withCode('ERR_CLOSED'))
      }
    })

    test('who waits while it is closed is told', async () => {
      await subject.expire()
      const waiting = failureOf(tokens.ready())
      await tokens.close()
      expect(await waiting).toEqual(withCode('ERR_CLOSED'))
    })
  })
}
