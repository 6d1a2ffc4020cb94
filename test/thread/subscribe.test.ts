import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { subscribeTokens, TokenThread } from '../../src/index.js'
import { settle, VirtualClock } from '../support/virtual-clock.js'
import { cleanUp } from '../support/cleanup.js'
import { ReaderThread, withCode } from '../support/reader-thread.js'
import { APP_ID, next, optionsFor, simulator, threadOn } from '../support/simulated.js'

describe('a reader in another thread', () => {
  it('has the current token at once, and the whole reading face', async () => {
    const sim = await simulator()
    const tokens = await threadOn(sim)
    const reader = await ReaderThread.start()
    expect(await reader.run('subscribe', [])).toBe(0)
    const { accessToken, issuedAt, expiresAt, generation } = await tokens.ready()
    const plain = { accessToken, issuedAt, expiresAt, generation }
    expect(await reader.run('get', [0])).toBe(accessToken)
    expect(await reader.run('current', [0])).toEqual(plain)
    expect(await reader.run('ready', [0])).toEqual(plain)
    expect(await reader.run('id', [0])).toBe(APP_ID)
    expect(await reader.run('status', [0])).toEqual(tokens.account(APP_ID).status())
    expect(await reader.run('requestSide', [0])).toEqual(tokens.requestSide)
    const shown = await reader.run('inspect', [0])
    expect(shown).toContain(`TokenSubscription { TokenSource { id: '${APP_ID}', state: 'valid'`)
    expect(shown).not.toContain(accessToken)
    expect(sim.counters(APP_ID).tokenCalls).toBe(1)
  })

  it('hears of the next token, and its rejections are one call with those of the main thread', async () => {
    const sim = await simulator()
    const tokens = await threadOn(sim)
    const readers = await Promise.all([ReaderThread.start(), ReaderThread.start()])
    for (const reader of readers) await reader.run('subscribe', [])
    const old = tokens.get()
    sim.revoke(APP_ID)
    const held = sim.inject({ on: 'token', hold: true })
    const asked = next(sim, 'request')
    const heard = readers.map((reader) => once(reader, 'token'))
    const fresh = [
      ...readers.map((reader) => reader.run('rejectMany', [0, old, 300])),
      Promise.all(Array.from({ length: 300 }, () => tokens.reject(old))).then((all) =>
        all.map(({ accessToken }) => accessToken),
      ),
    ]
    await asked
    // Suspect, not gone.
    expect(await readers[0].run('get', [0])).toBe(old)
    held.release()
    const all = await Promise.all(fresh)
    expect(all).toEqual(all.map(() => Array.from({ length: 300 }, () => tokens.get())))
    expect(tokens.get()).not.toBe(old)
    expect(sim.counters(APP_ID).tokenCalls).toBe(2)
    await Promise.all(heard)
  })

  it('finds a TokenThread that starts later, and has its first token', async () => {
    const sim = await simulator()
    const reader = await ReaderThread.start()
    let subscribed = false
    const subscription = reader.run('subscribe', []).then(() => (subscribed = true))
    const held = sim.inject({ on: 'token', hold: true })
    const asked = next(sim, 'request')
    const tokens = new TokenThread(optionsFor(sim))
    cleanUp(() => tokens.close())
    await asked
    expect(subscribed).toBe(false)
    held.release()
    await subscription
    expect(await reader.run('get', [0])).toBe((await tokens.ready()).accessToken)
  })

  it('does not wait for a first token that can’t come: reads say why', async () => {
    const sim = await simulator()
    const refusals = sim.inject({ on: 'token', then: { errcode: -1 } })
    const tokens = new TokenThread(optionsFor(sim))
    cleanUp(() => tokens.close())
    const reader = await ReaderThread.start()
    await reader.run('subscribe', [])
    await expect(reader.run('get', [0])).rejects.toEqual(
      withCode('ERR_TOKEN_UNAVAILABLE', expect.stringContaining('errcode -1')),
    )
    refusals.remove()
    expect(await reader.run('ready', [0])).toMatchObject({ accessToken: (await tokens.ready()).accessToken })
  })

  it('gives up after 30 s, and says which accounts there are', async () => {
    const clock = new VirtualClock()
    const none = subscribeTokens({}, clock)
    const noneSaid = expect(none).rejects.toEqual(
      withCode(
        'ERR_START_TIMEOUT',
        'no TokenThread of the main thread was found to hold any account within 30000 ms: start one there; one in another thread must hand a port over: subscribeTokens({ port })',
      ),
    )
    await clock.advance(29_999)
    expect(clock.holds).toBe(1)
    await clock.advance(1)
    await noneSaid
    expect(clock.holds).toBe(0)
    await threadOn(await simulator())
    const other = subscribeTokens({ account: 'nobody' }, clock)
    const otherSaid = expect(other).rejects.toEqual(
      withCode('ERR_START_TIMEOUT', expect.stringContaining(`the ids are ${APP_ID}`)),
    )
    await clock.advance(30_000)
    await otherSaid
    expect(clock.timers).toBe(0)
  })

  it('stops waiting for one that never comes when its signal says so', async () => {
    const reader = await ReaderThread.start()
    const subscribed = expect(reader.run('subscribe', [{}])).rejects.toThrow('enough')
    await reader.run('abort', ['enough'])
    await subscribed
  })

  it('closes under its signal, and by itself; the others go on', async () => {
    const sim = await simulator()
    const tokens = await threadOn(sim)
    const reader = await ReaderThread.start()
    await reader.run('subscribe', [{}])
    await reader.run('abort', ['enough'])
    await expect(reader.run('get', [0])).rejects.toEqual(withCode('ERR_CLOSED'))
    await expect(reader.run('ready', [0])).rejects.toThrow('enough')
    await reader.run('subscribe', [])
    await reader.run('subscribe', [])
    await reader.run('close', [1])
    await expect(reader.run('get', [1])).rejects.toEqual(withCode('ERR_CLOSED'))
    await expect(reader.run('ready', [1])).rejects.toEqual(
      withCode('ERR_CLOSED', 'the subscription was closed'),
    )
    expect(await reader.run('get', [2])).toBe(tokens.get())
  })

  it('works in the thread of the TokenThread itself', async () => {
    const sim = await simulator()
    const tokens = await threadOn(sim)
    const subscription = await subscribeTokens()
    cleanUp(() => subscription.close())
    expect(subscription.get()).toBe(tokens.get())
    await tokens.close()
    await settle()
    await expect(subscription.ready()).rejects.toEqual(withCode('ERR_CLOSED'))
  })

  it('is told when the TokenThread is closed, also while it waits for an answer', async () => {
    const sim = await simulator()
    const tokens = await threadOn(sim)
    const reader = await ReaderThread.start()
    await reader.run('subscribe', [])
    sim.inject({ on: 'token', hold: true })
    const asked = next(sim, 'request')
    const rejected = expect(reader.run('reject', [0, tokens.get()])).rejects.toEqual(withCode('ERR_CLOSED'))
    await asked
    await tokens.close()
    await rejected
    await expect(reader.run('get', [0])).rejects.toEqual(withCode('ERR_CLOSED'))
    expect(await reader.run('status', [0])).toMatchObject({ state: 'closed' })
  })

  it('names the mend of a wrong option', async () => {
    const reader = await ReaderThread.start()
    for (const [options, message] of [
      [{ acount: 'a' }, 'subscribeTokens.acount is no option: there are account, port, signal'],
      [{ account: '' }, expect.stringContaining('account')],
      [{ port: 7 }, 'port must be a MessagePort made by tokens.port() and transferred, not a number'],
    ] as const) {
      await expect(reader.run('subscribe', [JSON.parse(JSON.stringify(options))])).rejects.toEqual(
        withCode('ERR_OPTIONS', message),
      )
    }
  })
})

it('thirty subscriptions under one signal draw no warning, and end with it', async () => {
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => void warnings.push(warning)
  process.on('warning', onWarning)
  cleanUp(() => process.off('warning', onWarning))
  const tokens = await threadOn(await simulator())
  const controller = new AbortController()
  const { signal } = controller
  const all = await Promise.all(Array.from({ length: 30 }, () => subscribeTokens({ signal })))
  expect(new Set(all.map((one) => one.get()))).toEqual(new Set([tokens.get()]))
  controller.abort()
  expect(all.map((one) => one.status().state)).toEqual(all.map(() => 'closed'))
  await settle()
  expect(warnings.map(({ name }) => name)).not.toContain('MaxListenersExceededWarning')
})
