import { describe, expect, it } from 'vitest'
import type { Answer } from '../../workers/providers/provider.js'
import { keepingLogger } from '../support/log.js'
import { failureOf, outcomeOf } from '../support/outcome.js'
import {
  CLASSIC,
  limitReached,
  operatorError,
  ScriptedIssuer,
  STABLE,
  transient,
} from '../support/scripted-issuer.js'
import { constructed, started } from '../support/start.js'
import { settle } from '../support/virtual-clock.js'
import { VirtualSystem } from '../support/virtual-system.js'

const MINUTE = 60_000
const HOUR = 3_600_000

const classic = (): VirtualSystem =>
  new VirtualSystem((_account, clock) => new ScriptedIssuer(CLASSIC, clock))

describe('rotation', () => {
  it('refreshes ahead of expiry for ever, one call a rotation', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    for (let rotation = 1; rotation <= 30; rotation++) {
      const { generation, expiresAt, nextRefreshAt } = tokens.status()
      expect(tokens.get()).toBe(`token-${String(rotation)}`)
      await system.clock.advance((nextRefreshAt ?? 0) - system.clock.now())
      expect(tokens.status().generation).toBeGreaterThan(generation ?? Infinity)
      expect(system.clock.now()).toBeLessThan((expiresAt ?? 0) - 180_000 + 1)
    }
    expect(system.issuer.calls).toHaveLength(31)
    expect(system.issuer.mostInFlight).toBe(1)
  })

  it('sleeps through the life of a token without looking at the issuer', async () => {
    const system = new VirtualSystem()
    await started(system)
    await system.clock.advance(7_200_000 - 200_001)
    expect(system.issuer.calls).toHaveLength(1)
  })

  it('asks again by half of what is left when the stable endpoint has not rotated yet, and makes no event of it', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await settle()
    const heard: string[] = []
    tokens.on('token', (token) => heard.push(token.accessToken))
    const { expiresAt = 0, generation } = tokens.status()
    // The same token with its remaining life, until 20 s before its end.
    system.issuer.otherwise = () => {
      const left = expiresAt - system.clock.now()
      return left > 20_000 ? system.issuer.same('token-1', left - 1) : system.issuer.grant()
    }
    await system.clock.advance(7_200_000 - 25_000)
    expect(tokens.status().generation).toBe(generation)
    expect(heard).toEqual([])
    const asked = system.issuer.calls.length
    expect(asked).toBeGreaterThan(2)
    // The same token was issued when it was issued.
    expect(tokens.status()).toMatchObject({ issuedAt: expiresAt - 7_200_000 })
    // Halving, not hammering: 200 s, 100 s, 50 s, 25 s ahead.
    expect(asked).toBeLessThan(8)
    await system.clock.advance(25_000)
    expect(heard).toEqual(['token-2'])
    expect(tokens.get()).toBe('token-2')
  })

  it('never asks more often than the floor, though the issuer keeps an old token to the end', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system, { retry: { minDelay: 500, maxDelay: 1_000 } })
    system.issuer.otherwise = () => system.issuer.same('token-1', 800)
    await system.clock.advance(7_200_000)
    expect(tokens.status().nextRefreshAt).toBeGreaterThanOrEqual((system.issuer.calls.at(-1)?.at ?? 0) + 500)
    const gaps = system.issuer.calls.slice(1).map(({ mono }, i) => mono - (system.issuer.calls[i]?.mono ?? 0))
    expect(gaps.length).toBeGreaterThan(100)
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(500)
  })

  it('survives a life of 26 days: no timer beyond 2^31 ms, no early call', async () => {
    const life = 26 * 24 * HOUR
    const system = new VirtualSystem((_account, clock) => new ScriptedIssuer(STABLE, clock, life))
    system.runtime.heartbeat = life
    await started(system)
    await system.clock.advance(life - 200_001)
    expect(system.issuer.calls).toHaveLength(1)
    await system.clock.advance(200_000)
    expect(system.issuer.calls).toHaveLength(2)
  }, 60_000)
})

describe('failures', () => {
  it('serves the old token until its real expiry, then fails with the last refusal as cause, then heals', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    const events: string[] = []
    tokens.on('expired', (id) => events.push(`expired ${id}`))
    tokens.on('failure', ({ code }) => events.push(code))
    system.issuer.otherwise = transient('ERR_TIMEOUT')
    await system.clock.advance(7_200_000 - 1)
    expect(tokens.get()).toBe('token-1')
    expect(tokens.status().state).toBe('valid')
    expect(events).not.toContain('expired wx1')
    await system.clock.advance(1)
    const error = await failureOf(() => tokens.get())
    expect(error.code).toBe('ERR_TOKEN_UNAVAILABLE')
    expect(error.cause).toMatchObject({ code: 'ERR_TIMEOUT' })
    expect(tokens.current).toBeUndefined()
    expect(tokens.status().state).toBe('expired')
    expect(events.filter((event) => event === 'expired wx1')).toEqual(['expired wx1'])
    system.issuer.otherwise = () => system.issuer.grant()
    const ready = outcomeOf(tokens.ready())
    await system.clock.advance(MINUTE)
    expect(ready.value?.accessToken).toBe('token-2')
    expect(tokens.get()).toBe('token-2')
  })

  it('backs off with a growing delay, between the floor and maxDelay', async () => {
    const system = new VirtualSystem()
    system.random = 0.999
    const tokens = constructed(system)
    await settle()
    system.issuer.otherwise = transient()
    await system.clock.advance(7_200_000 + 10 * MINUTE)
    const after = system.issuer.calls.filter(({ mono }) => mono > (system.issuer.calls[1]?.mono ?? 0))
    const gaps = after.slice(1).map(({ mono }, i) => Math.round(mono - (after[i]?.mono ?? 0)))
    expect(gaps.slice(0, 5).every((gap, i) => i === 0 || gap > (gaps[i - 1] ?? 0))).toBe(true)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(60_000)
    expect(gaps.at(-1)).toBeGreaterThan(50_000)
    expect(tokens.status().failures).toBe(system.issuer.calls.length - 1)
  })

  it('retries an operator’s error once a minute at most, whatever retry says', async () => {
    const system = new VirtualSystem()
    const tokens = constructed(system, { retry: { minDelay: 1, maxDelay: 2 } })
    const codes: string[] = []
    tokens.on('failure', ({ code, errcode }) => codes.push(`${code} ${String(errcode)}`))
    await settle()
    system.issuer.otherwise = operatorError()
    // Reads of a missing token wake the loop and must not shorten the minute.
    await system.clock.advance(7_200_000 - 199_000)
    for (let second = 0; second < 600; second++) {
      await failureOf(() => (tokens.current ? Promise.reject(new Error('alive')) : tokens.get())).catch(
        () => undefined,
      )
      await system.clock.advance(1_000)
    }
    const after = system.issuer.calls.slice(1)
    const gaps = after.slice(1).map(({ mono }, i) => mono - (after[i]?.mono ?? 0))
    expect(gaps.length).toBeGreaterThan(5)
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(60_000)
    expect(new Set(codes)).toEqual(new Set(['ERR_ISSUER_REFUSED 40125']))
  })

  it('waits as long as the issuer says: an hour, a minute, the day’s end at midnight UTC+8', async () => {
    const system = classic()
    const tokens = constructed(system)
    await settle()
    const due = tokens.status().nextRefreshAt ?? 0
    system.issuer.script.push(limitReached(MINUTE), operatorError(HOUR), limitReached('day'))
    await system.clock.advance(due - system.clock.now())
    expect(system.issuer.calls).toHaveLength(2)
    await system.clock.advance(MINUTE - 1)
    expect(system.issuer.calls).toHaveLength(2)
    await system.clock.advance(1)
    expect(system.issuer.calls).toHaveLength(3)
    await system.clock.advance(HOUR - 1)
    expect(system.issuer.calls).toHaveLength(3)
    await system.clock.advance(1)
    expect(system.issuer.calls).toHaveLength(4)
    const turn = Date.UTC(2026, 0, 15, 16)
    expect(tokens.status().nextRefreshAt).toBe(turn)
    await system.clock.advance(turn - system.clock.now() - 1)
    expect(system.issuer.calls).toHaveLength(4)
    await system.clock.advance(1)
    expect(system.issuer.calls).toHaveLength(5)
    expect(tokens.status()).toMatchObject({ state: 'valid', fetchesToday: 1 })
  })

  it('takes a token that had ended when it came for a failure, and backs off', async () => {
    const system = new VirtualSystem()
    system.random = 0.999
    const tokens = constructed(system, { retry: { minDelay: 1, maxDelay: 60_000 } })
    const codes: string[] = []
    tokens.on('failure', ({ code }) => codes.push(code))
    await settle()
    const slow = async (): Promise<Answer> => {
      system.clock.block(1_300)
      return Promise.resolve(system.issuer.grant(1_000))
    }
    system.issuer.otherwise = slow
    await system.clock.advance(7_200_000 + HOUR)
    expect(tokens.status().state).toBe('expired')
    expect(new Set(codes)).toEqual(new Set(['ERR_BAD_ANSWER']))
    expect(system.issuer.calls.length).toBeLessThan(200)
  })

  it('says once that the day is nearly spent, also when calls come to nothing there', async () => {
    const few = { ...CLASSIC, perDay: 20 }
    const system = new VirtualSystem((_account, clock) => new ScriptedIssuer(few, clock, 60_000))
    const logger = keepingLogger()
    await started(system, { endpoint: 'classic', logger })
    while (system.issuer.calls.length < 17) await system.clock.advance(10_000)
    system.issuer.otherwise = { ...transient(), sent: false }
    await system.clock.advance(10 * MINUTE)
    const said = logger.lines.filter(({ message }) => message.includes('nearly spent'))
    expect(said).toHaveLength(1)
  })

  it('does not spend the day on calls that never left', async () => {
    const system = classic()
    const tokens = await started(system, { endpoint: 'classic', retry: { minDelay: 1_000, maxDelay: 5_000 } })
    system.issuer.otherwise = { ...transient(), sent: false }
    await system.clock.advance(11 * HOUR)
    expect(system.issuer.calls.length).toBeGreaterThan(2_000)
    expect(tokens.status().fetchesToday).toBe(1)
    system.issuer.otherwise = () => system.issuer.grant()
    await system.clock.advance(MINUTE)
    expect(tokens.status()).toMatchObject({ state: 'valid', fetchesToday: 2 })
  }, 60_000)

  it('tells a repeated failure once, and says when it is over', async () => {
    const system = new VirtualSystem()
    const logger = keepingLogger()
    const tokens = await started(system, { logger })
    system.issuer.otherwise = transient()
    await system.clock.advance((tokens.status().nextRefreshAt ?? 0) - system.clock.now() + 5 * MINUTE)
    expect(system.issuer.calls.length).toBeGreaterThan(8)
    expect(logger.lines.map(({ level }) => level)).toEqual(['info', 'warn'])
    system.issuer.otherwise = () => system.issuer.grant()
    await system.clock.advance(2 * MINUTE)
    expect(logger.lines.map(({ level }) => level)).toEqual(['info', 'warn', 'info'])
    expect(logger.lines[2]?.fields).toMatchObject({
      account: 'wx1',
      afterFailures: system.issuer.calls.length - 2,
    })
  })

  it('says an operator’s error at error level', async () => {
    const system = new VirtualSystem()
    const logger = keepingLogger()
    await started(system, { logger })
    system.issuer.otherwise = operatorError()
    await system.clock.advance(7_200_000)
    expect(logger.lines.filter(({ level }) => level === 'error')).toHaveLength(1)
  })
})
