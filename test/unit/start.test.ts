import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { TokenThread } from '../../src/token-thread.js'
import { keepingLogger } from '../support/log.js'
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

describe('several accounts', () => {
  it('have their own tokens, calls and faces; top-level events name the account', async () => {
    const system = new VirtualSystem()
    const tokens = new TokenThread({ accounts: TWO, logger: false, timeout: 4_000 }, system.runtime)
    const heard: string[] = []
    tokens.on('token', (token, id) => heard.push(`${id} ${token.accessToken}`))
    await settle()
    expect(heard.sort()).toEqual(['blog token-1', 'shop token-1'])
    const refused = outcomeOf(tokens.account('blog').reject('token-1'))
    await system.clock.advance(1_000)
    expect(refused.value?.accessToken).toBe('token-2')
    expect(tokens.account('blog').get()).toBe('token-2')
    expect(tokens.account('shop').get()).toBe('token-1')
    expect(system.issuers.get('shop')?.calls).toHaveLength(1)
    expect(Object.keys(tokens.status().accounts)).toEqual(['shop', 'blog'])
    expect(tokens.status()).toMatchObject({ state: 'valid', generation: undefined })
    await tokens.close()
  })

  it('refuse the top-level face, naming the ids', async () => {
    const system = new VirtualSystem()
    const tokens = await TokenThread.start({ accounts: TWO, logger: false }, system.runtime)
    const faces = [
      () => tokens.get(),
      () => tokens.current,
      () => tokens.ready(),
      () => tokens.reject('x'),
      () => tokens.refresh(),
    ]
    for (const face of faces) {
      const error = await failureOf(face)
      expect(error.code).toBe('ERR_OPTIONS')
      expect(error.message).toContain('shop, blog')
    }
    expect((await failureOf(() => tokens.account('shopp'))).message).toContain('shop, blog')
    await tokens.close()
  })
})

describe('events', () => {
  it('come in order and in a later turn, never inside a read; a listener that throws breaks nothing', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await settle()
    const heard: string[] = []
    const thrown: unknown[] = []
    const previous = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', (error) => thrown.push(error))
    tokens.on('token', ({ accessToken }) => {
      heard.push(accessToken)
      throw new Error(`listener of ${accessToken}`)
    })
    system.issuer.script.push(() => system.issuer.grant(1_000))
    void tokens.reject(tokens.get())
    system.clock.block(1_000)
    await system.clock.advance(0)
    // The news is in the port: this read takes it in, and tells nobody yet.
    const before = heard.length
    expect(tokens.get()).toBe('token-2')
    expect(heard).toHaveLength(before)
    await system.clock.advance(7_200_000)
    process.removeAllListeners('uncaughtException')
    for (const listener of previous) process.on('uncaughtException', listener)
    expect(heard.slice(0, 2)).toEqual(['token-2', 'token-3'])
    expect(thrown.map(String).slice(0, 2)).toEqual([
      'Error: listener of token-2',
      'Error: listener of token-3',
    ])
  })
})

describe('secrets', () => {
  it('appear in nothing that is inspected, logged or thrown', async () => {
    const system = new VirtualSystem()
    const logger = keepingLogger()
    const secret = 'a-very-secret-secret'
    const token = 'x'.repeat(120)
    const tokens = await started(system, {
      appSecret: secret,
      logger,
      proxy: 'http://user:pass-word@127.0.0.1:1',
    })
    system.issuer.script.push(() => system.issuer.same(token))
    await system.clock.advance(1_000)
    const current = await tokens.reject(tokens.get())
    await system.clock.advance(1_000)
    expect(current.accessToken).toBe(token)
    system.issuer.otherwise = operatorError()
    const errors: unknown[] = [await failureOf(() => tokens.refresh())]
    tokens.on('failure', (error) => errors.push(error))
    await system.clock.advance(7_300_000)
    errors.push(await failureOf(() => tokens.get()))
    const shown = [
      inspect(tokens, { depth: 9, showHidden: true }),
      inspect(tokens.account('wx1'), { depth: 9, showHidden: true }),
      inspect(current, { depth: 9, showHidden: true }),
      JSON.stringify(tokens),
      JSON.stringify(tokens.status()),
      ...errors.map((error) => inspect(error, { depth: 9, showHidden: true }) + JSON.stringify(error)),
      ...logger.lines.map((line) => JSON.stringify(line)),
    ].join('\n')
    for (const hidden of [secret, token, 'pass-word']) expect(shown).not.toContain(hidden)
    expect(errors.length).toBeGreaterThan(2)
    expect(JSON.parse(JSON.stringify(current))).toMatchObject({ accessToken: token })
  })
})
