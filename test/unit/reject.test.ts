import { describe, expect, it } from 'vitest'
import { failureOf, outcomeOf } from '../support/outcome.js'
import { CLASSIC, operatorError, ScriptedIssuer, transient } from '../support/scripted-issuer.js'
import { constructed, started } from '../support/start.js'
import { settle } from '../support/virtual-clock.js'
import { VirtualSystem } from '../support/virtual-system.js'

const MINUTE = 60_000
const HOUR = 3_600_000
const SPACING = 31_000

const classic = (): VirtualSystem =>
  new VirtualSystem((_account, clock) => new ScriptedIssuer(CLASSIC, clock))

describe('reject', () => {
  it('answers a thousand at once with one normal call', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    const bad = tokens.get()
    const all = Promise.all(Array.from({ length: 1000 }, () => tokens.reject(bad)))
    await settle()
    const replaced = await all
    expect(new Set(replaced.map(({ accessToken }) => accessToken))).toEqual(new Set(['token-2']))
    expect(system.issuer.calls.map(({ forced }) => forced)).toEqual([false, false])
    expect(system.issuer.calls[1]?.mono).toBe(system.clock.monotonic())
  })

  it('joins rejections that come while the call is in flight', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    const bad = tokens.get()
    let answer = (): void => undefined
    system.issuer.script.push(() => new Promise((resolve) => (answer = () => resolve(system.issuer.grant()))))
    const first = outcomeOf(tokens.reject(bad))
    await settle()
    const second = outcomeOf(tokens.reject(bad))
    await settle()
    answer()
    await settle()
    expect([first.value?.accessToken, second.value?.accessToken]).toEqual(['token-2', 'token-2'])
    // One refused after the refresh: it was about the old token.
    expect((await tokens.reject(bad)).accessToken).toBe('token-2')
    expect(system.issuer.calls).toHaveLength(2)
  })

  it('keeps the refused token in force, as suspect, until a newer one is there', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    system.issuer.otherwise = transient()
    const refused = outcomeOf(tokens.reject(tokens.get()))
    await settle()
    expect(tokens.status().state).toBe('suspect')
    expect(tokens.get()).toBe('token-1')
    system.issuer.otherwise = () => system.issuer.grant()
    await system.clock.advance(MINUTE)
    expect(refused.value?.accessToken).toBe('token-2')
    expect(tokens.status().state).toBe('valid')
  })

  it('forces once when the normal call brings the refused token itself', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    const { expiresAt = 0, nextRefreshAt } = tokens.status()
    system.issuer.script.push(() => system.issuer.same('token-1', expiresAt - system.clock.now()))
    const refused = outcomeOf(tokens.reject('token-1'))
    await settle()
    // The floor lies between the two calls.
    expect(refused.settled).toBe(false)
    expect(tokens.status()).toMatchObject({ state: 'suspect', forcedToday: 0 })
    expect(Math.abs((tokens.status().nextRefreshAt ?? 0) - (nextRefreshAt ?? 0))).toBeLessThan(20_000)
    await system.clock.advance(1_000)
    expect(system.issuer.calls.map(({ forced }) => forced)).toEqual([false, false, true])
    expect(refused.value?.accessToken).toBe('token-2')
    expect(tokens.status()).toMatchObject({ state: 'valid', forcedToday: 1 })
  })

  it('fails with retryAt where the force limits do not allow the forced call', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    await tokens.refresh()
    const forcedAt = system.issuer.calls.at(-1)?.at ?? 0
    await system.clock.advance(5_000)
    system.issuer.script.push(() => system.issuer.same('token-2'))
    const error = await failureOf(() => tokens.reject(tokens.get()))
    expect(error).toMatchObject({ code: 'ERR_TOKEN_REFUSED', retryAt: forcedAt + SPACING, account: 'wx1' })
    expect(tokens.get()).toBe('token-2')
    expect(tokens.status().state).toBe('suspect')
    // The next one is after the limit: it heals.
    await system.clock.advance(SPACING)
    system.issuer.script.push(() => system.issuer.same('token-2'))
    const healed = outcomeOf(tokens.reject('token-2'))
    await system.clock.advance(1_000)
    expect(healed.value?.accessToken).toBe('token-3')
  })

  it('fails within 2 x timeout while the issuer does not answer, and says why', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system, { timeout: 5_000 })
    await system.clock.advance(HOUR)
    system.issuer.otherwise = transient('ERR_TIMEOUT')
    const refused = outcomeOf(tokens.reject('token-1'))
    const began = system.clock.monotonic()
    while (!refused.settled && system.clock.monotonic() - began < HOUR) await system.clock.advance(100)
    expect(system.clock.monotonic() - began).toBeLessThanOrEqual(10_000)
    expect(refused.error).toMatchObject({ code: 'ERR_TOKEN_REFUSED', cause: { code: 'ERR_TIMEOUT' } })
    expect(tokens.get()).toBe('token-1')
  })

  it('fails at once on an operator’s error, and does not shorten its minute', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    system.issuer.otherwise = operatorError()
    for (let i = 0; i < 50; i++) {
      const error = await failureOf(() => tokens.reject('token-1'))
      expect(error).toMatchObject({ code: 'ERR_TOKEN_REFUSED', cause: { errcode: 40125 } })
    }
    expect(system.issuer.calls).toHaveLength(2)
  })

  it('is tried where an operator’s error was met before, and its minute is over', async () => {
    const system = classic()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    system.issuer.script.push(operatorError())
    expect((await failureOf(() => tokens.refresh())).code).toBe('ERR_ISSUER_REFUSED')
    await system.clock.advance(30 * MINUTE)
    const replaced = outcomeOf(tokens.reject(tokens.get()))
    await settle()
    expect(replaced.value?.accessToken).toBe('token-2')
  })

  it('does not shorten a backoff', async () => {
    const system = new VirtualSystem()
    system.random = 0.999
    const tokens = await started(system, { timeout: 20_000, retry: { minDelay: 8_000, maxDelay: 60_000 } })
    await system.clock.advance(HOUR)
    system.issuer.script.push(transient(), transient())
    void tokens.reject('token-1')
    await system.clock.advance(16_000)
    // The second failure's backoff is nearly 32 s; what is asked now waits for its end, or fails.
    expect(system.issuer.calls).toHaveLength(3)
    const refused = outcomeOf(tokens.reject('token-1'))
    await system.clock.advance(31_000)
    expect(system.issuer.calls).toHaveLength(3)
    await system.clock.advance(1_000)
    expect(refused.settled).toBe(true)
    expect(tokens.get()).toBe('token-2')
  })

  it('is refused, no forced call being allowed, though its own forced call brought the same token again', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    system.issuer.otherwise = () => system.issuer.same('token-1')
    const refused = outcomeOf(tokens.reject('token-1'))
    await system.clock.advance(5_000)
    expect(refused.error).toMatchObject({ code: 'ERR_TOKEN_REFUSED' })
    expect(system.issuer.calls.map(({ forced }) => forced)).toEqual([false, false, true])
  })

  it('is answered at once for a token that is not the current one', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    expect((await tokens.reject('somebody else’s')).accessToken).toBe('token-1')
    expect(system.issuer.calls).toHaveLength(1)
    expect(tokens.status().state).toBe('valid')
  })

  it('makes one failure event of one refused rejection, awaited or not', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    const codes: string[] = []
    tokens.on('failure', ({ code }) => codes.push(code))
    system.issuer.otherwise = operatorError()
    for (let i = 0; i < 10; i++) void tokens.reject('token-1')
    await settle()
    await settle()
    expect(codes).toEqual(['ERR_ISSUER_REFUSED', 'ERR_TOKEN_REFUSED'])
  })

  it('keeps the floor between calls, however fast tokens are refused', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system, { retry: { minDelay: 2_000 } })
    for (let i = 0; i < 200; i++) {
      void tokens.reject(tokens.get())
      await system.clock.advance(100)
    }
    const gaps = system.issuer.calls.slice(1).map(({ mono }, i) => mono - (system.issuer.calls[i]?.mono ?? 0))
    expect(gaps.length).toBeGreaterThan(5)
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(2_000)
  })

  it('can’t spend what the day’s budget keeps for scheduled refreshes', async () => {
    const system = classic()
    const tokens = await started(system, { retry: { minDelay: 1 } })
    let last = ''
    for (let i = 0; i < 2_000 && last === ''; i++) {
      const refused = outcomeOf(tokens.reject(tokens.get()))
      await system.clock.advance(1)
      if (refused.error instanceof Error && 'code' in refused.error) last = String(refused.error.code)
    }
    expect(last).toBe('ERR_TOKEN_REFUSED')
    expect(system.issuer.calls).toHaveLength(1_800)
    const operators = await failureOf(() => tokens.refresh())
    expect(operators).toMatchObject({ code: 'ERR_FETCH_LIMIT', retryAt: Date.UTC(2026, 0, 15, 16) })
    // The schedule still may, all day long.
    await system.clock.advance(7_200_000)
    expect(system.issuer.calls).toHaveLength(1_801)
    expect(tokens.get()).toBe('token-1801')
  }, 60_000)

  it('waits for the first token where there was none', async () => {
    const system = new VirtualSystem()
    const tokens = constructed(system)
    expect((await tokens.reject('an old one')).accessToken).toBe('token-1')
  })

  it('refuses what is no token', async () => {
    const tokens = await started(new VirtualSystem())
    expect((await failureOf(() => tokens.reject(''))).code).toBe('ERR_OPTIONS')
  })
})
