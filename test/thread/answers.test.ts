import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Fault, type Simulator, startSimulator } from '../../simulator/index.js'
import type { TokenThreadError } from '../../src/errors.js'
import { inspect } from 'node:util'
import { failureOf } from '../support/outcome.js'
import { APP_ID, APP_SECRET, optionsFor, simulator, threadOn } from '../support/simulated.js'
import { TokenThread } from '../../src/token-thread.js'

type Then = NonNullable<Fault['then']>
const grant = (fields: object): Then => ({
  body: { access_token: 'a-token-that-must-not-be-published', expires_in: 7200, ...fields },
})

const BAD: [string, Then, string][] = [
  ['a reset', 'reset', 'ERR_BAD_ANSWER'],
  ['half a body', 'half-body', 'ERR_BAD_ANSWER'],
  ['garbage', 'garbage', 'ERR_BAD_ANSWER'],
  ['HTML', 'html', 'ERR_BAD_ANSWER'],
  ['gzip of garbage', 'bad-gzip', 'ERR_BAD_ANSWER'],
  ['a gzip bomb', 'gzip-bomb', 'ERR_BAD_ANSWER'],
  ['a body of 5 MB', 'big-body', 'ERR_BAD_ANSWER'],
  ['a redirect', 'redirect', 'ERR_BAD_ANSWER'],
  ['expires_in 0', grant({ expires_in: 0 }), 'ERR_BAD_ANSWER'],
  ['expires_in -1', grant({ expires_in: -1 }), 'ERR_BAD_ANSWER'],
  ['expires_in "7200"', grant({ expires_in: '7200' }), 'ERR_BAD_ANSWER'],
  ['expires_in 1e12', grant({ expires_in: 1e12 }), 'ERR_BAD_ANSWER'],
  [
    'expires_in NaN',
    { body: '{"access_token":"a-token-that-must-not-be-published","expires_in":NaN}' },
    'ERR_BAD_ANSWER',
  ],
  ['an empty token', grant({ access_token: '' }), 'ERR_BAD_ANSWER'],
  ['a token that is a number', grant({ access_token: 5 }), 'ERR_BAD_ANSWER'],
  ['a token with control characters', grant({ access_token: 'must-not\r\nbe-published' }), 'ERR_BAD_ANSWER'],
  ['a token longer than 8 KiB', grant({ access_token: 'x'.repeat(9_000) }), 'ERR_BAD_ANSWER'],
  ['system busy', { errcode: -1 }, 'ERR_ISSUER_REFUSED'],
  ['an unknown errcode', { errcode: 99_999 }, 'ERR_ISSUER_REFUSED'],
  [
    'a status of 500',
    { status: 500, body: { access_token: 'a-token-that-must-not-be-published', expires_in: 7200 } },
    'ERR_BAD_ANSWER',
  ],
]

describe('an answer that can’t be trusted', () => {
  let sim: Simulator
  let tokens: TokenThread
  beforeAll(async () => {
    sim = await startSimulator({ accounts: [{ appId: APP_ID, appSecret: APP_SECRET }] })
    tokens = await TokenThread.start(optionsFor(sim))
  })
  afterAll(async () => {
    await tokens.close()
    await sim.close()
  })

  it.each(BAD)(
    '%s is a typed failure and a retry: nothing of it is published, the old token serves',
    async (_what, then, code) => {
      const old = tokens.get()
      const failures: TokenThreadError[] = []
      tokens.on('failure', (error) => failures.push(error))
      const fault = sim.inject({ times: 2, then })
      const published: string[] = []
      tokens.on('token', ({ accessToken }) => published.push(accessToken))
      sim.revoke(APP_ID, 'stable')
      const { accessToken } = await tokens.reject(old)
      expect(accessToken).toBe(sim.current(APP_ID).stable?.accessToken)
      expect(fault.count).toBe(2)
      await new Promise((resolve) => setImmediate(resolve))
      expect(failures.map((failure) => failure.code)).toEqual([code, code])
      expect(published.filter((token) => token !== old)).toEqual([accessToken])
      tokens.removeAllListeners()
      expect(tokens.status()).toMatchObject({ state: 'valid', restarts: 0, failures: 0 })
      for (const failure of failures) {
        expect(inspect(failure)).not.toContain(APP_SECRET)
        expect(inspect(failure)).not.toContain('must-not')
      }
    },
  )
})

describe('an answer', () => {
  it.each(['silent', 'endless'] as const)('that is %s is aborted at its timeout', async (then) => {
    const sim = await simulator()
    const tokens = await threadOn(sim, { timeout: 150 })
    const old = tokens.get()
    const fault = sim.inject({ then })
    const error = await failureOf(() => tokens.refresh())
    expect(error.code).toBe('ERR_TIMEOUT')
    expect(fault.count).toBeGreaterThan(0)
    expect(tokens.get()).toBe(old)
    fault.remove()
  })

  it('in gzip is read, whatever was asked for', async () => {
    const sim = await simulator({ gzip: true })
    const tokens = await threadOn(sim)
    expect(tokens.get()).toBe(sim.current(APP_ID).stable?.accessToken)
  })
})

describe('start rejects at once', () => {
  it.each([40001, 40125, 40013, 40164, 40243, 61024, 50004, 89503, 41002])(
    'with errcode %i',
    async (errcode) => {
      const sim = await simulator()
      sim.inject({ then: { errcode } })
      const error = await failureOf(() => TokenThread.start(optionsFor(sim)))
      expect(error).toMatchObject({ code: 'ERR_ISSUER_REFUSED', errcode, retryable: false })
      expect(error.message).toContain(String(errcode))
      expect(sim.counters(APP_ID).tokenCalls).toBe(1)
    },
  )

  it('naming the IP that is not on the allow list, and WeChat’s request id', async () => {
    const sim = await simulator({
      accounts: [{ appId: APP_ID, appSecret: APP_SECRET, allowedIps: ['10.9.8.7'] }],
    })
    const error = await failureOf(() => TokenThread.start(optionsFor(sim)))
    expect(error).toMatchObject({ code: 'ERR_ISSUER_REFUSED', errcode: 40164 })
    expect(error.message).toMatch(/the IP is 127\.0\.0\.1/)
    expect(error.message).toMatch(/allow list/)
    expect(error.rid).toMatch(/^\w{8}-\w{8}-\w{8}$/)
  })

  it.each(['stable', 'classic'] as const)('on a wrong secret and on a wrong AppID (%s)', async (endpoint) => {
    const sim = await simulator()
    const wrongSecret = await failureOf(() =>
      TokenThread.start(optionsFor(sim, { endpoint, appSecret: 'not-this-one' })),
    )
    expect(wrongSecret).toMatchObject({ code: 'ERR_ISSUER_REFUSED' })
    expect(wrongSecret.message).toContain('wrong AppSecret')
    const wrongId = await failureOf(() =>
      TokenThread.start(optionsFor(sim, { endpoint, appId: 'wxffffffffffffffff' })),
    )
    expect(wrongId).toMatchObject({ code: 'ERR_ISSUER_REFUSED', errcode: 40013 })
  })
})
