import { pbkdf2 } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { TokenThreadError } from '../../src/errors.js'
import type { TokenThreadOptions } from '../../src/options.js'
import { TokenThread } from '../../src/token-thread.js'
import { cleanUp } from '../support/cleanup.js'
import { deadPort, proxy, silentHost } from '../support/proxy.js'
import { APP_ID, next, optionsFor, simulator, threadOn } from '../support/simulated.js'

/** The first failure of a TokenThread that its constructor started. */
async function firstFailure(options: TokenThreadOptions): Promise<TokenThreadError> {
  const tokens = new TokenThread(options)
  cleanUp(() => tokens.close())
  return new Promise((resolve) => {
    void tokens.ready().catch((error: unknown) => error)
    tokens.once('failure', resolve)
  })
}

describe('several base URLs', () => {
  it('are tried within one call when the connection failed', async () => {
    const sim = await simulator()
    const dead = `http://127.0.0.1:${String(await deadPort())}`
    const tokens = await threadOn(sim, { baseUrl: [dead, sim.url] })
    expect(tokens.status()).toMatchObject({ fetchesToday: 1, failures: 0 })
    expect(sim.counters(APP_ID).tokenCalls).toBe(1)
  })

  it('are not tried once the request was sent: the next retry begins at the next host', async () => {
    const first = await simulator()
    const second = await simulator()
    const tokens = await threadOn(first, { baseUrl: [first.url, second.url] })
    const reset = first.inject({ then: 'reset' })
    const failed = next(tokens, 'failure')
    const refused = tokens.reject(tokens.get())
    await failed
    expect(reset.count).toBe(1)
    const fresh = await refused
    expect(reset.count).toBe(1)
    expect(fresh.accessToken).toBe(second.current(APP_ID).stable?.accessToken)
    // The last good one comes first from now on.
    await tokens.reject(fresh.accessToken)
    expect(reset.count).toBe(1)
    expect(second.counters(APP_ID).tokenCalls).toBeGreaterThan(1)
  })

  it('a host that connects and is silent costs the call’s timeout, not the next host’s answer', async () => {
    const sim = await simulator()
    const silent = await silentHost()
    const tokens = await threadOn(sim, { baseUrl: [silent.url, sim.url], timeout: 200 })
    expect(silent.connections()).toBe(1)
    expect(tokens.status()).toMatchObject({ fetchesToday: 2 })
    expect(tokens.status().lastFailure).toMatchObject({ code: 'ERR_TIMEOUT' })
  })

  it('may have a path of their own', async () => {
    const sim = await simulator()
    const asked = next(sim, 'call')
    await firstFailure(optionsFor(sim, { baseUrl: `${sim.url}/gateway` }))
    expect(await asked).toMatchObject([{ path: '/gateway/cgi-bin/stable_token' }])
  })

  it('that none connect are an ERR_CONNECTION', async () => {
    const sim = await simulator()
    const dead = `http://127.0.0.1:${String(await deadPort())}`
    const error = await firstFailure(optionsFor(sim, { baseUrl: dead }))
    expect(error).toMatchObject({ code: 'ERR_CONNECTION' })
    expect(error.message).toContain('ECONNREFUSED')
  })
})

describe('a proxy', () => {
  it('carries the token calls, its credentials are never shown', async () => {
    const sim = await simulator()
    const gate = await proxy()
    const tokens = await threadOn(sim, { proxy: gate.url.replace('//', '//someone:pass-word@') })
    expect(tokens.get()).toBe(sim.current(APP_ID).stable?.accessToken)
    expect(gate.asked).toEqual([
      {
        target: new URL(sim.url).host,
        credentials: `Basic ${Buffer.from('someone:pass-word').toString('base64')}`,
      },
    ])
    expect(inspect(tokens, { depth: 9, showHidden: true })).not.toContain('pass-word')
  })

  it('that does not connect is an ERR_CONNECTION without its password', async () => {
    const sim = await simulator()
    const url = `http://someone:pass-word@127.0.0.1:${String(await deadPort())}`
    const error = await firstFailure(optionsFor(sim, { proxy: url }))
    expect(error).toMatchObject({ code: 'ERR_CONNECTION' })
    expect(inspect(error, { depth: 9 })).not.toContain('pass-word')
  })
})

describe('a saturated libuv pool', () => {
  it('delays no refresh: a known host name is not looked up first, gzip is inflated in the thread', async () => {
    const sim = await simulator({ gzip: true, host: 'localhost' })
    const tokens = await threadOn(sim, { baseUrl: `http://localhost:${new URL(sim.url).port}` })
    const old = tokens.get()
    sim.revoke(APP_ID, 'stable')
    // Every thread of the pool is busy, and more work waits: what needs the pool is served after the first of these.
    let done = 0
    const jobs = Array.from({ length: 4 }, () => {
      return new Promise<void>((resolve, reject) => {
        pbkdf2('password', 'salt', 2_000_000, 64, 'sha512', (error) => {
          done += 1
          if (error) reject(error)
          else resolve()
        })
      })
    })
    const fresh = await tokens.reject(old)
    expect(done).toBe(0)
    expect(fresh.accessToken).toBe(sim.current(APP_ID).stable?.accessToken)
    await Promise.all(jobs)
  }, 120_000)
})
