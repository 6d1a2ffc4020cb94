import { describe, expect, it } from 'vitest'
import { TokenThread } from '../../src/token-thread.js'
import { failureOf, outcomeOf } from '../support/outcome.js'
import {
  limitReached,
  operatorError,
  type Reply,
  ScriptedIssuer,
  STABLE,
  transient,
} from '../support/scripted-issuer.js'
import { ACCOUNT, constructed, started } from '../support/start.js'
import { settle } from '../support/virtual-clock.js'
import { VirtualSystem } from '../support/virtual-system.js'

/** A system whose issuers answer like this from the first call on. */
function answering(...replies: Reply[]): VirtualSystem {
  return new VirtualSystem((_account, clock) => {
    const issuer = new ScriptedIssuer(STABLE, clock)
    issuer.script.push(...replies)
    return issuer
  })
}

const TWO = [
  { id: 'shop', appId: 'wx1', appSecret: 's1' },
  { id: 'blog', appId: 'wx2', appSecret: 's2' },
]

describe('start', () => {
  it('rejects at once on what only an operator can mend, and leaves no thread behind', async () => {
    const system = answering(operatorError())
    const error = await failureOf(() => started(system))
    expect(error).toMatchObject({ code: 'ERR_ISSUER_REFUSED', errcode: 40125, retryable: false })
    expect(system.clock.holds).toBe(0)
    await system.clock.advance(600_000)
    expect(system.issuer.calls).toHaveLength(1)
    expect(system.starts).toHaveLength(1)
  })

  it('keeps trying on what may pass', async () => {
    const system = answering(transient(), transient('ERR_TIMEOUT'), transient('ERR_BAD_ANSWER'))
    const start = outcomeOf(started(system))
    await system.clock.advance(20_000)
    expect(start.value?.get()).toBe('token-1')
    expect(system.issuer.calls).toHaveLength(4)
  })

  it('gives up after startTimeout with the last failure as cause, and closes', async () => {
    const system = new VirtualSystem((_account, clock) => {
      const issuer = new ScriptedIssuer(STABLE, clock)
      issuer.otherwise = limitReached('day')
      return issuer
    })
    const start = outcomeOf(started(system, { startTimeout: 7_000 }))
    await system.clock.advance(6_999)
    expect(start.settled).toBe(false)
    await system.clock.advance(1)
    expect(start.error).toMatchObject({ code: 'ERR_START_TIMEOUT', cause: { errcode: 45009 } })
    await system.clock.advance(600_000)
    expect(system.issuer.calls).toHaveLength(1)
    expect(system.clock.holds).toBe(0)
  })

  it('rejects with its signal’s reason, also when that was aborted beforehand: nothing is started then', async () => {
    const system = answering(transient(), transient())
    const controller = new AbortController()
    const start = outcomeOf(started(system, { signal: controller.signal }))
    await settle()
    const reason = new Error('changed my mind')
    controller.abort(reason)
    await settle()
    await settle()
    expect(start.error).toBe(reason)
    expect(system.clock.holds).toBe(0)
    const other = new VirtualSystem()
    await expect(started(other, { signal: controller.signal })).rejects.toBe(reason)
    expect(() => new TokenThread({ ...ACCOUNT, signal: controller.signal }, other.runtime)).toThrow(reason)
    expect(other.starts).toHaveLength(0)
  })

  it('resolves when each of several accounts has settled, and rejects only if none has a token', async () => {
    const refusingBlog = (): VirtualSystem =>
      new VirtualSystem(({ id }, clock) => {
        const issuer = new ScriptedIssuer(STABLE, clock)
        if (id === 'blog') issuer.otherwise = operatorError()
        return issuer
      })
    const system = refusingBlog()
    const tokens = await TokenThread.start({ accounts: TWO, logger: false }, system.runtime)
    expect(tokens.account('shop').get()).toBe('token-1')
    expect((await failureOf(() => tokens.account('blog').get())).cause).toMatchObject({ errcode: 40125 })
    await tokens.close()

    const both = new VirtualSystem((_account, clock) => {
      const issuer = new ScriptedIssuer(STABLE, clock)
      issuer.otherwise = operatorError()
      return issuer
    })
    const error = await failureOf(() => TokenThread.start({ accounts: TWO, logger: false }, both.runtime))
    expect(error.code).toBe('ERR_ISSUER_REFUSED')
    expect(error.message).toMatch(/no account has a token/)
  })

  it('waits for the slow one of several until startTimeout', async () => {
    const system = new VirtualSystem(({ id }, clock) => {
      const issuer = new ScriptedIssuer(STABLE, clock)
      if (id === 'blog') issuer.otherwise = transient()
      return issuer
    })
    const start = outcomeOf(
      TokenThread.start({ accounts: TWO, logger: false, startTimeout: 9_000 }, system.runtime),
    )
    await system.clock.advance(8_999)
    expect(start.settled).toBe(false)
    await system.clock.advance(1)
    expect(start.value?.account('shop').get()).toBe('token-1')
    await start.value?.close()
  })
})

describe('the constructor', () => {
  it('returns at once; an operator’s error is an event, and ready waits until it is mended', async () => {
    const system = answering(operatorError(), operatorError())
    const tokens = constructed(system)
    expect(tokens.status()).toMatchObject({ state: 'starting', generation: undefined, fetchesToday: 0 })
    const codes: string[] = []
    tokens.on('failure', ({ errcode }, id) => codes.push(`${String(errcode)} ${id}`))
    const ready = outcomeOf(tokens.ready())
    const other = new AbortController()
    const aborted = outcomeOf(tokens.ready({ signal: other.signal }))
    await system.clock.advance(60_000)
    expect(codes).toEqual(['40125 wx1', '40125 wx1'])
    other.abort()
    await settle()
    expect(aborted.error).toMatchObject({ name: 'AbortError' })
    expect(ready.settled).toBe(false)
    expect(system.clock.holds).toBe(1)
    await system.clock.advance(60_000)
    expect(ready.value?.accessToken).toBe('token-1')
    expect(system.clock.holds).toBe(0)
  })

  it('lets a thousand wait under one signal without a warning', async () => {
    const warnings: string[] = []
    const hear = (warning: Error): unknown => warnings.push(warning.name)
    process.on('warning', hear)
    const system = answering(transient())
    const tokens = constructed(system)
    const { signal } = new AbortController()
    const all = Promise.all(Array.from({ length: 1000 }, () => tokens.ready({ signal })))
    await system.clock.advance(5_000)
    expect(new Set((await all).map(({ accessToken }) => accessToken))).toEqual(new Set(['token-1']))
    await settle()
    process.off('warning', hear)
    expect(warnings).toEqual([])
  })
})

describe('close', () => {
  it('is idempotent, rejects whoever waits, aborts the call in flight, ends all timers', async () => {
    const system = answering()
    const tokens = constructed(system)
    await settle()
    system.issuer.script.push(() => new Promise(() => undefined))
    const refused = outcomeOf(tokens.reject('token-1'))
    await system.clock.advance(1_000)
    expect(system.issuer.inFlight).toBe(1)
    const closed = Promise.all([tokens.close(), tokens.close(), tokens[Symbol.asyncDispose]()])
    await closed
    expect(system.issuer.inFlight).toBe(0)
    expect(refused.error).toMatchObject({ code: 'ERR_CLOSED' })
    expect((await failureOf(() => tokens.get())).code).toBe('ERR_CLOSED')
    expect(tokens.current).toBeUndefined()
    expect((await failureOf(() => tokens.ready())).code).toBe('ERR_CLOSED')
    expect((await failureOf(() => tokens.reject('x'))).code).toBe('ERR_CLOSED')
    expect((await failureOf(() => tokens.refresh())).code).toBe('ERR_CLOSED')
    expect(tokens.status().state).toBe('closed')
    expect(system.clock.holds).toBe(0)
    expect(system.clock.timers).toBe(0)
  })

  it('by signal rejects whoever waits with its reason', async () => {
    const system = answering(transient())
    const controller = new AbortController()
    const tokens = constructed(system, { signal: controller.signal })
    const ready = outcomeOf(tokens.ready())
    const reason = new Error('shutting down')
    controller.abort(reason)
    await settle()
    expect(ready.error).toBe(reason)
    expect((await failureOf(() => tokens.get())).code).toBe('ERR_CLOSED')
  })
})
