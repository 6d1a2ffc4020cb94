import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { TokenThread } from '../../src/token-thread.js'
import { keepingLogger } from '../support/log.js'
import { failureOf, outcomeOf } from '../support/outcome.js'
import { operatorError } from '../support/scripted-issuer.js'
import { started } from '../support/start.js'
import { settle } from '../support/virtual-clock.js'
import { VirtualSystem } from '../support/virtual-system.js'

const TWO = [
  { id: 'shop', appId: 'wx1', appSecret: 's1' },
  { id: 'blog', appId: 'wx2', appSecret: 's2' },
]

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
