import { describe, expect, it } from 'vitest'
import type { TokenThread } from '../../src/token-thread.js'
import { keepingLogger } from '../support/log.js'
import { failureOf, outcomeOf } from '../support/outcome.js'
import {
  CLASSIC,
  limitReached,
  operatorError,
  ScriptedIssuer,
  transient,
} from '../support/scripted-issuer.js'
import { started } from '../support/start.js'
import { settle } from '../support/virtual-clock.js'
import { VirtualSystem } from '../support/virtual-system.js'

const HOUR = 3_600_000
const SPACING = 31_000

const classic = (): VirtualSystem =>
  new VirtualSystem((_account, clock) => new ScriptedIssuer(CLASSIC, clock))

/** As a caller in JavaScript has it. */
function untyped(tokens: TokenThread): {
  readonly refresh: (options: unknown) => unknown
  readonly ready: (options: unknown) => unknown
} {
  const call =
    (name: string) =>
    (options: unknown): unknown => {
      const method: unknown = Reflect.get(tokens, name)
      return typeof method === 'function' ? Reflect.apply(method, tokens, [options]) : undefined
    }
  return { refresh: call('refresh'), ready: call('ready') }
}

describe('refresh', () => {
  it('is one forced call on stable, one normal on classic', async () => {
    const stable = new VirtualSystem()
    const tokens = await started(stable)
    await stable.clock.advance(HOUR)
    expect((await tokens.refresh()).accessToken).toBe('token-2')
    expect(stable.issuer.calls.map(({ forced }) => forced)).toEqual([false, true])
    const other = classic()
    const classics = await started(other)
    await other.clock.advance(HOUR)
    expect((await classics.refresh()).accessToken).toBe('token-2')
    expect(other.issuer.calls.map(({ forced }) => forced)).toEqual([false, false])
  })

  it('fails at once beyond the spacing, and beyond the day’s twenty', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    for (let i = 0; i < 20; i++) {
      await tokens.refresh()
      const error = await failureOf(() => tokens.refresh())
      expect(error.code).toBe('ERR_FETCH_LIMIT')
      if (i < 19) expect(error.retryAt).toBe((system.issuer.calls.at(-1)?.at ?? 0) + SPACING)
      await system.clock.advance(SPACING)
    }
    const error = await failureOf(() => tokens.refresh())
    expect(error).toMatchObject({ code: 'ERR_FETCH_LIMIT', retryAt: Date.UTC(2026, 0, 15, 16) })
    expect(tokens.status()).toMatchObject({ forcedToday: 20, fetchesToday: 21 })
    await system.clock.advance(Date.UTC(2026, 0, 15, 16) - system.clock.now())
    expect(tokens.status().fetchesToday).toBe(0)
    expect((await tokens.refresh()).generation).toBeGreaterThan(0)
  })

  it('fails at once beyond a limit, also while a call is in flight', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    await tokens.refresh()
    await system.clock.advance(2_000)
    system.issuer.script.push(() => new Promise(() => undefined))
    void tokens.reject(tokens.get())
    await settle()
    expect(system.issuer.inFlight).toBe(1)
    const refreshed = outcomeOf(tokens.refresh())
    await settle()
    expect(refreshed.error).toMatchObject({ code: 'ERR_FETCH_LIMIT' })
  })

  it('is not sent any more when nobody waits for it', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system, { retry: { minDelay: 5_000 } })
    const controller = new AbortController()
    const refreshed = outcomeOf(tokens.refresh({ signal: controller.signal }))
    await settle()
    controller.abort()
    await system.clock.advance(10_000)
    expect(refreshed.settled).toBe(true)
    expect(system.issuer.calls).toHaveLength(1)
  })

  it('is said to be nearly spent, once a day', async () => {
    const system = new VirtualSystem()
    const logger = keepingLogger()
    const tokens = await started(system, { logger })
    const said = (): number =>
      logger.lines.filter(({ message }) => message.includes('forced calls are nearly spent')).length
    const at: number[] = []
    for (let i = 0; i < 20; i++) {
      await system.clock.advance(SPACING)
      await tokens.refresh()
      await settle()
      at.push(said())
    }
    expect([at[16], at[17], at[19]]).toEqual([0, 1, 1])
  })

  it('is refused with options that are none', async () => {
    const tokens = await started(new VirtualSystem())
    const bad: [unknown, RegExp][] = [
      [{ revok: true }, /revok is no option/],
      [{ revoke: 'yes' }, /revoke must be true or false/],
      [{ signal: 'x' }, /signal must be an AbortSignal/],
      [null, /refresh must be an object/],
    ]
    for (const [options, message] of bad) {
      const error = await failureOf(() => untyped(tokens).refresh(options))
      expect(error.code).toBe('ERR_OPTIONS')
      expect(error.message).toMatch(message)
    }
    const error = await failureOf(() => untyped(tokens).ready({ signal: 'x' }))
    expect(error.message).toMatch(/signal must be an AbortSignal/)
  })

  it('that got no answer on classic may have arrived there: the next call does not wait until the token is due', async () => {
    for (const [sent, calls] of [
      [true, 3],
      [false, 2],
    ] as const) {
      const system = classic()
      const tokens = await started(system)
      await system.clock.advance(HOUR)
      system.issuer.script.push({ ...transient('ERR_TIMEOUT'), sent })
      expect((await failureOf(() => tokens.refresh())).code).toBe('ERR_TIMEOUT')
      await system.clock.advance(60_000)
      expect(system.issuer.calls, `sent: ${sent}`).toHaveLength(calls)
    }
  })

  it('waits for the floor: it is no limit', async () => {
    const system = classic()
    const tokens = await started(system, { retry: { minDelay: 3_000 } })
    const refreshed = outcomeOf(tokens.refresh())
    await system.clock.advance(2_999)
    expect(refreshed.settled).toBe(false)
    await system.clock.advance(1)
    expect(refreshed.value?.accessToken).toBe('token-2')
  })

  it('does not wait for an operator’s minute, and hands on the call’s failure', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    system.issuer.script.push(operatorError())
    expect(await failureOf(() => tokens.reject('token-1'))).toMatchObject({ code: 'ERR_TOKEN_REFUSED' })
    await system.clock.advance(1_000)
    system.issuer.script.push(operatorError())
    expect(await failureOf(() => tokens.refresh())).toMatchObject({
      code: 'ERR_ISSUER_REFUSED',
      errcode: 40125,
    })
    await system.clock.advance(SPACING)
    expect((await tokens.refresh()).accessToken).toBe('token-2')
  })

  it('takes a limit of forced calls for what it is: normal ones go on', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    const { nextRefreshAt } = tokens.status()
    system.issuer.script.push(limitReached('day'))
    expect(await failureOf(() => tokens.refresh())).toMatchObject({
      code: 'ERR_FETCH_LIMIT',
      retryAt: Date.UTC(2026, 0, 15, 16),
      cause: { errcode: 45009 },
    })
    expect(tokens.status().nextRefreshAt).toBe(nextRefreshAt)
    // Nor is another forced call tried today, though our own count would allow it.
    await system.clock.advance(SPACING)
    expect((await failureOf(() => tokens.refresh())).code).toBe('ERR_FETCH_LIMIT')
    expect(system.issuer.calls).toHaveLength(2)
  })

  it('takes a minute’s limit on a forced call for a minute’s limit, not for the day’s', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    system.issuer.script.push(limitReached(60_000))
    const error = await failureOf(() => tokens.refresh())
    expect(error).toMatchObject({ code: 'ERR_FETCH_LIMIT', retryAt: system.clock.now() + 60_000 })
    await system.clock.advance(62_000)
    // Nobody asked for another call, and the schedule has time.
    expect(system.issuer.calls.map(({ forced }) => forced)).toEqual([false, true])
    expect((await tokens.refresh()).generation).toBe(tokens.current?.generation)
    expect(tokens.status().forcedToday).toBe(2)
  })

  it('says so when the forced call brought no new token: somebody else has forced one just now', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    system.issuer.script.push(() => system.issuer.same('token-1'))
    const error = await failureOf(() => tokens.refresh())
    expect(error).toMatchObject({ code: 'ERR_FETCH_LIMIT', retryAt: system.clock.now() + SPACING })
  })

  it('stops waiting on its signal', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    system.issuer.script.push(() => new Promise(() => undefined))
    const controller = new AbortController()
    const refreshed = outcomeOf(tokens.refresh({ signal: controller.signal }))
    await settle()
    controller.abort(new Error('enough'))
    await settle()
    expect(refreshed.error).toMatchObject({ message: 'enough' })
    expect(system.clock.holds).toBe(0)
  })
})

describe('revoke', () => {
  it('is two forced calls 30 s apart, the first new token serving meanwhile', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    const revoked = outcomeOf(tokens.refresh({ revoke: true }))
    await settle()
    expect(tokens.get()).toBe('token-2')
    expect(revoked.settled).toBe(false)
    await system.clock.advance(SPACING - 1)
    expect(tokens.get()).toBe('token-2')
    await system.clock.advance(1_001)
    expect(revoked.value?.accessToken).toBe('token-3')
    const forced = system.issuer.calls.filter((call) => call.forced)
    expect(forced).toHaveLength(2)
    expect((forced[1]?.mono ?? 0) - (forced[0]?.mono ?? 0)).toBeGreaterThanOrEqual(30_000)
    expect(system.clock.holds).toBe(0)
  })

  it('does not stop half-way at a failure that passes', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    const revoked = outcomeOf(tokens.refresh({ revoke: true }))
    await settle()
    system.issuer.script.push(transient('ERR_TIMEOUT'))
    await system.clock.advance(3 * SPACING)
    expect(revoked.value?.generation).toBe(tokens.current?.generation)
    expect(tokens.status().forcedToday).toBe(3)
  })

  it('gives up where the second call stays refused, and leaves the day its forced calls', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    const revoked = outcomeOf(tokens.refresh({ revoke: true }))
    await settle()
    system.issuer.otherwise = limitReached(60_000)
    await system.clock.advance(HOUR)
    expect(revoked.error).toMatchObject({ code: 'ERR_FETCH_LIMIT' })
    expect(tokens.status().forcedToday).toBeLessThan(8)
  })

  it('sends nothing where the day allows only one more', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    for (let i = 0; i < 19; i++) {
      await system.clock.advance(SPACING)
      await tokens.refresh()
    }
    await system.clock.advance(SPACING)
    expect((await failureOf(() => tokens.refresh({ revoke: true }))).code).toBe('ERR_FETCH_LIMIT')
    expect(tokens.status().forcedToday).toBe(19)
  })

  it('stops between the calls on its signal, and at close', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    const controller = new AbortController()
    const stopped = outcomeOf(tokens.refresh({ revoke: true, signal: controller.signal }))
    await settle()
    controller.abort(new Error('enough'))
    await settle()
    expect(stopped.error).toMatchObject({ message: 'enough' })
    await system.clock.advance(SPACING)
    const closed = outcomeOf(tokens.refresh({ revoke: true }))
    await settle()
    await tokens.close()
    await settle()
    expect(closed.error).toMatchObject({ code: 'ERR_CLOSED' })
    expect(system.clock.holds).toBe(0)
  })

  it('is refused on classic, with the 5 minutes explained', async () => {
    const tokens = await started(classic(), { endpoint: 'classic' })
    const error = await failureOf(() => tokens.refresh({ revoke: true }))
    expect(error.code).toBe('ERR_OPTIONS')
    expect(error.message).toMatch(/5 minutes/)
  })
})
