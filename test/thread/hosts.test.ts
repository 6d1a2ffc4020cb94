import { pbkdf2 } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { readConfig } from '../../src/config.js'
import type { TokenThreadError } from '../../src/errors.js'
import type { TokenThreadOptions } from '../../src/options.js'
import type { Addresses } from '../../src/protocol.js'
import { systemRuntime } from '../../src/runtime.js'
import type { Spawn } from '../../src/thread.js'
import { TokenThread } from '../../src/token-thread.js'
import { AddressBook } from '../../workers/addresses.js'
import { httpIssuer } from '../../workers/issuer.js'
import { fate, MORTAL_WORKER } from '../support/channel.js'
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

describe('a host that never finishes the TLS handshake', () => {
  it.each(['directly', 'through a proxy'])('costs a timed-out call and no socket, %s', async (how) => {
    const sim = await simulator()
    const silent = await silentHost()
    const tunnel = how === 'directly' ? {} : { proxy: (await proxy()).url }
    // One call, and no other for a minute: its connection must go while the thread stays.
    const retry = { minDelay: 60_000 }
    const baseUrl = `https://127.0.0.1:${String(silent.port)}`
    const error = await firstFailure(optionsFor(sim, { baseUrl, retry, timeout: 150, ...tunnel }))
    expect(error.code).toBe('ERR_CONNECTION')
    expect(silent.connections()).toBe(1)
    await silent.left()
  })
})

describe('a host that does not connect in its share of the timeout', () => {
  it('leaves the rest of it to the next one, within the same call', async () => {
    const sim = await simulator()
    const silent = await silentHost()
    const baseUrl = [`https://127.0.0.1:${String(silent.port)}`, sim.url]
    const tokens = await threadOn(sim, { baseUrl, timeout: 1_500 })
    expect(silent.connections()).toBe(1)
    expect(tokens.status()).toMatchObject({ fetchesToday: 1, failures: 0, lastFailure: undefined })
  })
})

describe('the addresses of a host name', () => {
  it('are used at once when they are known; where none connects, those that the lookup brings are tried in the same call', async () => {
    const sim = await simulator()
    const { port } = new URL(sim.url)
    const baseUrl = `http://localhost:${port}`
    const [account] = readConfig(optionsFor(sim, { baseUrl }), {}).accounts
    const learned: Addresses[] = []
    // Nobody listens on this address of the loopback net.
    const stale = { localhost: [{ address: '127.99.99.99', family: 4 }] }
    const book = new AddressBook(stale, (addresses) => learned.push(addresses))
    const answer = await httpIssuer(account, book, systemClock).fetch(
      { forced: false, timeout: 10_000 },
      new AbortController().signal,
    )
    expect(answer).toMatchObject({ granted: true })
    expect(sim.counters(APP_ID).tokenCalls).toBe(1)
    expect(learned.at(-1)?.localhost?.map(({ address }) => address)).toContain('127.0.0.1')
    expect(book.known('localhost')).toEqual(learned.at(-1)?.localhost)
  })

  it('outlive the thread: the next one need not look them up', async () => {
    const sim = await simulator()
    const starts: Addresses[] = []
    const runtime = {
      spawn: (...[start, url, onExit]: Parameters<Spawn>) => {
        starts.push(start.addresses)
        return systemRuntime.spawn(start, url, onExit)
      },
    }
    const tokens = await threadOn(
      sim,
      { baseUrl: `http://localhost:${new URL(sim.url).port}`, workerUrl: MORTAL_WORKER },
      runtime,
    )
    const { kill, alive } = fate()
    const reborn = alive()
    kill('exit')
    await reborn
    expect(starts.map((addresses) => Object.keys(addresses))).toEqual([[], ['localhost']])
    expect(tokens.status()).toMatchObject({ state: 'valid', restarts: 1 })
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
