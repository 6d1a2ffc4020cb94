import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { TokenThread } from '../../src/token-thread.js'
import { cleanUp } from '../support/cleanup.js'
import { keepingLogger } from '../support/log.js'
import { failureOf } from '../support/outcome.js'
import { APP_ID, APP_SECRET, next, optionsFor, simulator, threadOn } from '../support/simulated.js'

const SHORT = { expiresIn: 3, renewalWindow: 1, overlap: 1 }

describe.each(['stable', 'classic'] as const)('on the %s endpoint', (endpoint) => {
  it('holds the first token when start resolves, and one valid token through rotations', async () => {
    const sim = await simulator(SHORT)
    const tokens = await threadOn(sim, { endpoint })
    expect(tokens.get()).toBe(sim.current(APP_ID)[endpoint]?.accessToken)
    expect(tokens.current).toMatchObject({ accessToken: tokens.get() })

    // A read after the other, not as fast as the machine can.
    sim.inject({ on: 'api', delay: 10 })
    const generations = [tokens.current?.generation]
    let reads = 0
    let refused = 0
    const rotated = new Promise<void>((resolve) => {
      tokens.on('token', ({ generation }) => {
        if (generation !== generations[0] && generations.push(generation) === 4) resolve()
      })
    })
    let over = false
    void rotated.then(() => (over = true))
    while (!over) {
      const response = await fetch(`${sim.url}/cgi-bin/getcallbackip?access_token=${tokens.get()}`)
      const body: unknown = await response.json()
      reads += 1
      if (typeof body === 'object' && body !== null && 'errcode' in body) refused += 1
    }
    expect(refused).toBe(0)
    expect(reads).toBeGreaterThan(20)
    expect(generations).toEqual([...generations].sort())
    // On a machine that is busy there may be more of them by now, and one that is just being told.
    const isTold = (): boolean =>
      tokens.get() === sim.current(APP_ID)[endpoint]?.accessToken &&
      tokens.current?.generation === generations.at(-1)
    while (!isTold()) await next(tokens, 'token')
    // One new token for each rotation, and no fetch beside.
    const issued = generations.length
    expect(sim.counters(APP_ID)).toMatchObject({ issued, apiRefused: 0, forced: 0 })
    if (endpoint === 'classic') expect(sim.counters(APP_ID).tokenCalls).toBe(issued)
  })

  it('heals a refused token with one call, a thousand rejections at once', async () => {
    const sim = await simulator()
    const tokens = await threadOn(sim, { endpoint })
    const bad = tokens.get()
    sim.revoke(APP_ID, endpoint)
    const healed = await Promise.all(Array.from({ length: 1000 }, () => tokens.reject(bad)))
    expect(new Set(healed.map(({ accessToken }) => accessToken))).toEqual(new Set([tokens.get()]))
    expect(tokens.get()).not.toBe(bad)
    expect(sim.counters(APP_ID)).toMatchObject({ tokenCalls: 2, forced: 0 })
  })
})

describe('on the stable endpoint', () => {
  it('takes over the token that another party forced, by a normal call', async () => {
    const sim = await simulator()
    const tokens = await threadOn(sim)
    const bad = tokens.get()
    sim.rotate(APP_ID, 'stable')
    expect((await tokens.reject(bad)).accessToken).toBe(sim.current(APP_ID).stable?.accessToken)
    expect(sim.counters(APP_ID).forced).toBe(0)
  })

  it('forces where the normal call brings the refused token itself', async () => {
    const sim = await simulator()
    const tokens = await threadOn(sim)
    const bad = tokens.get()
    sim.refuse(bad)
    const healed = await tokens.reject(bad)
    expect(healed.accessToken).not.toBe(bad)
    expect(sim.counters(APP_ID)).toMatchObject({ tokenCalls: 3, unchanged: 1, forced: 1 })
    // Within 30 s no second forced call is made: it fails, and says when it may be.
    sim.refuse(healed.accessToken)
    const error = await failureOf(() => tokens.reject(healed.accessToken))
    expect(error.code).toBe('ERR_TOKEN_REFUSED')
    expect(error.retryAt).toBeGreaterThan(Date.now() + 20_000)
    expect(sim.counters(APP_ID).forced).toBe(1)
    expect(tokens.status().state).toBe('suspect')
  })

  it('refreshes by one forced call, and keeps to its limits', async () => {
    const sim = await simulator()
    const tokens = await threadOn(sim)
    const old = tokens.get()
    const fresh = await tokens.refresh()
    expect(fresh.accessToken).not.toBe(old)
    expect(tokens.get()).toBe(sim.current(APP_ID).stable?.accessToken)
    expect((await failureOf(() => tokens.refresh())).code).toBe('ERR_FETCH_LIMIT')
    expect(sim.counters(APP_ID)).toMatchObject({ forced: 1, tokenCalls: 2 })
  })
})

describe('several accounts', () => {
  it('are served by one thread', async () => {
    const accounts = Array.from({ length: 20 }, (_, i) => ({
      appId: `wx${String(i).padStart(16, '0')}`,
      appSecret: `secret-${String(i)}`,
    }))
    const sim = await simulator({ accounts })
    const tokens = await TokenThread.start({
      accounts,
      baseUrl: sim.url,
      logger: false,
    })
    cleanUp(() => tokens.close())
    for (const { appId } of accounts) {
      expect(tokens.account(appId).get()).toBe(sim.current(appId).stable?.accessToken)
      expect(sim.counters(appId).tokenCalls).toBe(1)
    }
  })
})

describe('what is shown', () => {
  it('masks the token in inspect, writes it whole as JSON', async () => {
    const sim = await simulator()
    const tokens = await threadOn(sim)
    const token = await tokens.ready()
    expect(inspect(token)).not.toContain(token.accessToken.slice(0, 8))
    expect(inspect(token)).toContain(`generation: ${String(token.generation)}`)
    expect(inspect(tokens, { depth: 5, showHidden: true })).not.toContain(token.accessToken.slice(0, 8))
    expect(JSON.parse(JSON.stringify(token))).toEqual({
      accessToken: token.accessToken,
      issuedAt: token.issuedAt,
      expiresAt: token.expiresAt,
      generation: token.generation,
    })
  })

  it('is one info line a refresh and one warning a failure, through the caller’s logger', async () => {
    const sim = await simulator()
    const logger = keepingLogger()
    const tokens = await threadOn(sim, { logger })
    const { generation } = await tokens.ready()
    sim.inject({ times: 1, then: 'reset' })
    const failed = next(tokens, 'failure')
    await tokens.refresh().catch((error: unknown) => error)
    await failed
    await logger.has(2)
    const lines = logger.lines.map(({ level, fields }) => [
      level,
      'account' in fields ? fields.account : undefined,
    ])
    expect(lines.slice(0, 2)).toEqual([
      ['info', APP_ID],
      ['warn', APP_ID],
    ])
    expect(logger.lines[0]?.fields).toMatchObject({ generation, validFor: 7200 })
    expect(JSON.stringify(logger.lines)).not.toContain(APP_SECRET)
    expect(JSON.stringify(logger.lines)).not.toContain(tokens.get())
  })
})

describe('close', () => {
  it('ends the thread and aborts the call in flight', async () => {
    const sim = await simulator()
    const tokens = await TokenThread.start(optionsFor(sim))
    const held = sim.inject({ hold: true })
    const refused = failureOf(() => tokens.reject(tokens.get()))
    await held.held()
    await tokens.close()
    await tokens.close()
    expect((await refused).code).toBe('ERR_CLOSED')
    expect((await failureOf(() => tokens.get())).code).toBe('ERR_CLOSED')
    expect(tokens.current).toBeUndefined()
  })
})
