import { once } from 'node:events'
import { queryObjects } from 'node:v8'
import { MessageChannel, MessagePort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { describe, expect, it, vi } from 'vitest'
import { TokenSubscription } from '../../src/subscribe.js'
import { PROTOCOL_VERSION } from '../../src/protocol.js'
import { subscribeTokens, type TokenReader, TokenThread, type TokenThreadOptions } from '../../src/index.js'
import type { Simulator } from '../../simulator/index.js'
import { startWechat } from '../../demo/simulator.js'
import { started } from '../support/start.js'
import { settle, VirtualClock } from '../support/virtual-clock.js'
import { VirtualSystem } from '../support/virtual-system.js'
import { cleanUp } from '../support/cleanup.js'
import { fate, MORTAL_WORKER } from '../support/channel.js'
import { ReaderThread } from '../support/reader-thread.js'
import { APP_ID, next, optionsFor, simulator, threadOn } from '../support/simulated.js'

function open(gate: Int32Array): void {
  Atomics.store(gate, 0, 1)
  Atomics.notify(gate, 0)
}

/** What replaced a refused token, as this thread knows it: it may hear of it a moment after a reader. */
async function newer(tokens: TokenReader, old: string): Promise<{ accessToken: string }> {
  const { accessToken } = await tokens.reject(old)
  return { accessToken }
}

/** The reader has heard that it is over: it does so in a turn of its own. */
async function closed(reader: ReaderThread, i: number): Promise<void> {
  for (let turn = 0; turn < 10_000; turn++) {
    const status = await reader.run('status', [i])
    if (typeof status === 'object' && status !== null && 'state' in status && status.state === 'closed')
      return
  }
  throw new Error('the reader did not hear of the end')
}

const withCode = (code: string, message: unknown = expect.any(String)): unknown =>
  expect.objectContaining({ code, message })

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

describe('several accounts and several TokenThreads', () => {
  const named = (sim: Simulator, ...ids: string[]): TokenThreadOptions => {
    const { appId, appSecret, baseUrl } = sim.options(APP_ID)
    return { logger: false, baseUrl, accounts: ids.map((id) => ({ id, appId, appSecret })) }
  }
  const started = async (options: TokenThreadOptions): Promise<TokenThread> => {
    const tokens = await TokenThread.start(options)
    cleanUp(() => tokens.close())
    return tokens
  }

  it('a reader says which account it wants, or is told to', async () => {
    const sim = await simulator()
    const tokens = await started(named(sim, 'a', 'b'))
    const reader = await ReaderThread.start()
    const message = 'there are several accounts, so say which: subscribeTokens({ account }); the ids are a, b'
    await expect(reader.run('subscribe', [])).rejects.toEqual(withCode('ERR_OPTIONS', message))
    await reader.run('subscribe', [{ account: 'b' }])
    expect(await reader.run('id', [0])).toBe('b')
    expect(await reader.run('get', [0])).toBe(tokens.account('b').get())
  })

  it('do not mix: each reader hears of its own, also after its refresher died', async () => {
    const [simA, simB] = [await simulator(), await simulator()]
    const a = await started({ ...named(simA, 'a'), workerUrl: MORTAL_WORKER })
    const b = await started(named(simB, 'b'))
    const reader = await ReaderThread.start()
    await reader.run('subscribe', [{ account: 'a' }])
    await reader.run('subscribe', [{ account: 'b' }])
    expect(await reader.run('get', [0])).toBe(a.get())
    expect(await reader.run('get', [1])).toBe(b.get())
    const { kill, alive } = fate()
    const reborn = alive()
    kill('exit')
    await reborn
    simA.revoke(APP_ID)
    const old = a.get()
    expect(await reader.run('reject', [0, old])).toMatchObject(await newer(a, old))
    expect(a.get()).not.toBe(old)
    expect(await reader.run('get', [1])).toBe(b.get())
    await a.close()
    await closed(reader, 0)
    await expect(reader.run('ready', [0])).rejects.toEqual(withCode('ERR_CLOSED'))
    expect(await reader.run('get', [1])).toBe(b.get())
  })

  it('where two hold the id, a reader is told to have a port handed over, and reads by it', async () => {
    const [simA, simB] = [await simulator(), await simulator()]
    const a = await started(named(simA, 'same'))
    const b = await started({ ...named(simB, 'same', 'other'), workerUrl: MORTAL_WORKER })
    const reader = await ReaderThread.start()
    await expect(reader.run('subscribe', [{ account: 'same' }])).rejects.toEqual(
      withCode('ERR_OPTIONS', expect.stringContaining('subscribeTokens({ port })')),
    )
    for (const port of [a.port(), b.port('same')]) await reader.run('subscribe', [{ port }], [port])
    expect(await reader.run('get', [0])).toBe(a.get())
    expect(await reader.run('get', [1])).toBe(b.account('same').get())
    const byItsName = b.port()
    await reader.run('subscribe', [{ port: byItsName, account: 'other' }], [byItsName])
    expect(await reader.run('id', [2])).toBe('other')

    // The port leads to the next refresher, too.
    const { kill, alive } = fate()
    const reborn = alive()
    kill('exit')
    await reborn
    const old = b.account('same').get()
    simB.revoke(APP_ID)
    expect(await reader.run('reject', [1, old])).toMatchObject(await newer(b.account('same'), old))
    await b.close()
    await closed(reader, 1)
    await expect(reader.run('ready', [1])).rejects.toEqual(withCode('ERR_CLOSED'))
    expect(await reader.run('get', [0])).toBe(a.get())
    expect(() => b.port()).toThrow(withCode('ERR_CLOSED'))
    expect(() => a.port('nobody')).toThrow(withCode('ERR_OPTIONS'))
  })

  it('a reader stays with its own when another of the same id comes', async () => {
    const sim = await simulator()
    const mine = await started({ ...named(sim, 'same'), workerUrl: MORTAL_WORKER })
    const reader = await ReaderThread.start()
    await reader.run('subscribe', [])
    const other = await simulator()
    await started(named(other, 'same'))
    const { kill, alive } = fate()
    const reborn = alive()
    kill('exit')
    await reborn
    const old = mine.get()
    sim.revoke(APP_ID)
    expect(await reader.run('reject', [0, old])).toMatchObject(await newer(mine, old))
    expect(other.counters(APP_ID).tokenCalls).toBe(1)
  })

  it('a thread that has one of its own reads that, and not the main thread’s', async () => {
    const [mine, main] = [await simulator(), await simulator()]
    await threadOn(main)
    const reader = await ReaderThread.start()
    await reader.run('startTokens', [optionsFor(mine)])
    await reader.run('subscribe', [])
    expect(await reader.run('get', [0])).toBe(mine.current(APP_ID).stable?.accessToken)
  })

  it('one in another thread is reached by a port only', async () => {
    const sim = await simulator()
    const reader = await ReaderThread.start()
    const handed = next(reader, 'port')
    await reader.run('startTokens', [optionsFor(sim)])
    const [port] = await handed
    if (!(port instanceof MessagePort)) throw new Error('no port came')
    const subscription = await subscribeTokens({ port })
    cleanUp(() => subscription.close())
    expect(subscription.get()).toBe(sim.current(APP_ID).stable?.accessToken)
  })
})

describe('what happens around a reader', () => {
  it('the refresher dies, twice: it keeps its token, and its line is made anew', async () => {
    const sim = await simulator()
    const tokens = await threadOn(sim, { workerUrl: MORTAL_WORKER })
    const reader = await ReaderThread.start()
    await reader.run('subscribe', [])
    const { kill, alive } = fate()
    for (const how of ['exit', 'throw'] as const) {
      const reborn = alive()
      kill(how)
      await next(tokens, 'restart')
      const old = tokens.get()
      // Asked while there is no thread at all: the next one answers.
      sim.revoke(APP_ID)
      const rejected = reader.run('reject', [0, old])
      expect(await reader.run('get', [0])).toBe(old)
      await reborn
      expect(await rejected).toMatchObject(await newer(tokens, old))
      expect(tokens.get()).not.toBe(old)
    }
    expect(sim.counters(APP_ID).tokenCalls).toBe(3)
  })

  it('it joins while there is no refresher: the next one takes it in', async () => {
    const sim = await simulator()
    const tokens = await threadOn(sim, { workerUrl: MORTAL_WORKER })
    const reader = await ReaderThread.start()
    const { kill } = fate()
    const dead = next(tokens, 'restart')
    kill('exit')
    await dead
    await reader.run('subscribe', [])
    expect(await reader.run('get', [0])).toBe(tokens.get())
  })

  it('the main thread blocks: a new token reaches it all the same', async () => {
    // In a process of its own: this one stands still.
    const wechat = await startWechat()
    cleanUp(() => wechat.stop())
    const retry = { minDelay: 5, maxDelay: 50 }
    const tokens = await TokenThread.start({ ...wechat.options, retry, logger: false })
    cleanUp(() => tokens.close())
    const reader = await ReaderThread.start()
    await reader.run('subscribe', [])
    const old = tokens.get()
    // The thread writes here when it has the next token; this one stands still until then.
    const gate = new Int32Array(new SharedArrayBuffer(4))
    void reader.run('signalNext', [0, old, gate])
    void reader.run('refresh', [0])
    expect(Atomics.wait(gate, 0, 0, 20_000)).not.toBe('timed-out')
    expect(await reader.run('get', [0])).not.toBe(old)
  })

  it('it is parked while tokens come and go, as Piscina parks its threads: it reads right at once', async () => {
    const sim = await simulator()
    const tokens = await threadOn(sim)
    const reader = await ReaderThread.start()
    await reader.run('subscribe', [])
    const gate = new Int32Array(new SharedArrayBuffer(4))
    const parked = reader.run('parkThenGet', [0, gate])
    for (let rotation = 0; rotation < 10; rotation++) {
      sim.revoke(APP_ID)
      await tokens.reject(tokens.get())
    }
    open(gate)
    expect(await parked).toBe(tokens.get())
  })

  it('it is parked for many heartbeats: nobody takes it for dead', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    const reader = await ReaderThread.start()
    await reader.run('subscribe', [])
    const gate = new Int32Array(new SharedArrayBuffer(4))
    const parked = reader.run('park', [gate])
    const { generation } = tokens.status()
    // So long that the next token comes.
    await system.clock.advance(7_200_000)
    expect(tokens.status().generation).toBeGreaterThan(generation ?? Infinity)
    expect([system.terminated, tokens.status().restarts]).toEqual([0, 0])
    open(gate)
    await parked
    // Its line is the old one, and held all that was said.
    expect(await reader.run('status', [0])).toMatchObject({ generation: tokens.status().generation })
  })

  it('it is parked while the refresher dies: its next read finds the line to the next one', async () => {
    const sim = await simulator()
    const tokens = await threadOn(sim, { workerUrl: MORTAL_WORKER })
    const reader = await ReaderThread.start()
    await reader.run('subscribe', [])
    const gate = new Int32Array(new SharedArrayBuffer(4))
    const parked = reader.run('parkThenGet', [0, gate])
    const { kill, alive } = fate()
    for (const how of ['exit', 'throw'] as const) {
      const reborn = alive()
      kill(how)
      await reborn
      sim.revoke(APP_ID)
      await tokens.reject(tokens.get())
    }
    open(gate)
    expect(await parked).toBe(tokens.get())
  })

  it('other code sends what looks like ours: no token comes from it, and nothing breaks', async () => {
    const sim = await simulator()
    const tokens = await threadOn(sim)
    const restarts: unknown[] = []
    tokens.on('restart', (restart) => restarts.push(restart))
    const reader = await ReaderThread.start()
    const rogue = await ReaderThread.start()
    await reader.run('subscribe', [])
    const forged = { accessToken: 'forged', issuedAt: 0, expiresAt: 9e15, generation: 9e15 }
    // It is told what another version would be told.
    expect(await rogue.run('forge', [reader.worker.threadId, forged])).toEqual({
      type: 'nobody',
      protocol: PROTOCOL_VERSION,
      ids: [APP_ID],
    })
    expect(await reader.run('get', [0])).toBe(tokens.get())
    await reader.run('subscribe', [])
    expect(await reader.run('get', [1])).toBe(tokens.get())
    expect(tokens.current?.accessToken).toBe(sim.current(APP_ID).stable?.accessToken)
    // The line that it got as any reader would, it spoiled for itself alone.
    sim.revoke(APP_ID)
    const old = tokens.get()
    expect(await reader.run('reject', [0, old])).toMatchObject(await newer(tokens, old))
    expect(restarts).toEqual([])
    expect(sim.counters(APP_ID).tokenCalls).toBe(2)
  })

  it('other code listens for messages between threads, and throws: it is found all the same, and stays', async () => {
    const deaf = (): void => undefined
    const broken = (): never => {
      throw new Error('of other code')
    }
    process.on('workerMessage', deaf)
    cleanUp(() => process.off('workerMessage', deaf).off('workerMessage', broken))
    const reader = await ReaderThread.start()
    const heard = once(process, 'workerMessage')
    const subscribed = reader.run('subscribe', [])
    await heard
    process.on('workerMessage', broken)
    const sim = await simulator()
    const tokens = await threadOn(sim, { workerUrl: MORTAL_WORKER })
    await subscribed
    const { kill, alive } = fate()
    const reborn = alive()
    kill('exit')
    await reborn
    const old = tokens.get()
    sim.revoke(APP_ID)
    expect(await reader.run('reject', [0, old])).toMatchObject(await newer(tokens, old))
    await tokens.close()
    await closed(reader, 0)
    await expect(reader.run('ready', [0])).rejects.toEqual(withCode('ERR_CLOSED'))
  })

  it('two copies of the library are in the main thread: each answers for its own', async () => {
    const [simA, simB] = [await simulator(), await simulator()]
    const a = await threadOn(simA)
    vi.resetModules()
    const copy = await import('../../src/index.js')
    expect(copy.TokenThread).not.toBe(TokenThread)
    const { appId, appSecret, baseUrl } = simB.options(APP_ID)
    const b = await copy.TokenThread.start({
      logger: false,
      baseUrl,
      accounts: [{ id: 'of the copy', appId, appSecret }],
    })
    cleanUp(() => b.close())
    const reader = await ReaderThread.start()
    await reader.run('subscribe', [{ account: APP_ID }])
    await reader.run('subscribe', [{ account: 'of the copy' }])
    expect(await reader.run('get', [0])).toBe(a.get())
    expect(await reader.run('get', [1])).toBe(b.get())
    // Each has one, so nobody can know which is meant.
    await reader.run('subscribe', []).then(
      () => expect(reader.run('ready', [2])).rejects.toEqual(withCode('ERR_OPTIONS')),
      (error: unknown) => expect(error).toEqual(withCode('ERR_OPTIONS')),
    )
  })

  it('its TokenThread can’t run: after 30 s it is told that, and not that there is none', async () => {
    const tokens = new TokenThread({
      ...optionsFor(await simulator()),
      workerUrl: new URL('file:///no/such/worker.mjs'),
    })
    cleanUp(() => tokens.close())
    const clock = new VirtualClock()
    const said = expect(subscribeTokens({}, clock)).rejects.toEqual(
      withCode('ERR_THREAD', expect.stringContaining('its thread did not answer within 30000 ms')),
    )
    await clock.advance(30_000)
    await said
  })
})

describe('a handed port', () => {
  it('has one subscription, and an account of its own TokenThread', async () => {
    const tokens = await threadOn(await simulator())
    const port = tokens.port()
    const subscription = await subscribeTokens({ port })
    await expect(subscribeTokens({ port })).rejects.toEqual(
      withCode('ERR_OPTIONS', 'port has a subscription already: make one for each by tokens.port()'),
    )
    expect(subscription.get()).toBe(tokens.get())
    subscription.close()
    await expect(subscribeTokens({ port: tokens.port(), account: 'nobody' })).rejects.toEqual(
      withCode('ERR_OPTIONS', `there is no account nobody: the ids are ${APP_ID}`),
    )
  })

  it('that is closed, or leads nowhere, is named', async () => {
    const tokens = await threadOn(await simulator())
    const port = tokens.port()
    await tokens.close()
    await expect(subscribeTokens({ port })).rejects.toEqual(
      withCode('ERR_CLOSED', expect.stringContaining('the port was closed')),
    )
    const clock = new VirtualClock()
    const { port1, port2 } = new MessageChannel()
    cleanUp(() => port1.close())
    const said = expect(subscribeTokens({ port: port2 }, clock)).rejects.toEqual(
      withCode('ERR_START_TIMEOUT', expect.stringContaining('was it made by tokens.port()?')),
    )
    await clock.advance(30_000)
    await said
  })

  it('reaches a thread of a pool with a task', async () => {
    const tokens = await threadOn(await simulator())
    const filename = new URL('../fixtures/port-task.mjs', import.meta.url).href
    const pool = new Piscina<unknown, string>({ filename, execArgv: [], maxThreads: 1, atomics: 'disabled' })
    cleanUp(() => pool.destroy())
    const port = tokens.port()
    expect(await pool.run({ port }, { transferList: [port] })).toBe(tokens.get())
    expect(await pool.run({})).toBe(tokens.get())
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

describe('leaves nothing behind', () => {
  const joins = async (reader: ReaderThread, times: number): Promise<{ ports: number; active: string[] }> => {
    const left = await reader.run('joins', [times])
    if (!isLeft(left)) throw new Error('the reader said something else')
    return left
  }
  const isLeft = (left: unknown): left is { ports: number; active: string[] } =>
    typeof left === 'object' && left !== null && 'ports' in left
  const ports = (): number => queryObjects(MessagePort, { format: 'count' })

  it('in its own thread, after 1,000 joins', async () => {
    const sim = await simulator()
    await threadOn(sim)
    const reader = await ReaderThread.start()
    const { ports: before } = await joins(reader, 10)
    const { ports: after, active } = await joins(reader, 1_000)
    expect(after).toBeLessThan(before + 100)
    // Its parent's, by which it is told what to do.
    expect(active).toEqual(['MessagePort'])
  })

  it('at the refresher and where it was introduced, after 1,000 joins', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    const joinAndLeave = async (times: number): Promise<number> => {
      for (let i = 0; i < times; i++) {
        const subscription = await subscribeTokens({}, system.clock)
        expect(subscription.get()).toBe(tokens.get())
        subscription.close()
      }
      await settle()
      return ports()
    }
    const before = await joinAndLeave(10)
    expect(await joinAndLeave(1_000)).toBeLessThan(before + 100)
    expect(queryObjects(TokenSubscription, { format: 'count' })).toBeLessThan(100)
    expect(process.listenerCount('workerMessage')).toBe(1)
    await tokens.close()
    expect(process.listenerCount('workerMessage')).toBe(0)
    expect(system.clock.holds).toBe(0)
  })

  it('after the refresher died so often', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    const subscription = await subscribeTokens({}, system.clock)
    cleanUp(() => subscription.close())
    const dieAndRestart = async (times: number): Promise<number> => {
      for (let i = 0; i < times; i++) {
        await system.kill()
        await system.clock.advance(60_000)
      }
      // What the test itself keeps of them.
      system.starts.length = 0
      return ports()
    }
    const before = await dieAndRestart(3)
    expect(await dieAndRestart(30)).toBeLessThan(before + 30)
    expect(tokens.status().restarts).toBe(33)
    expect(subscription.get()).toBe(tokens.get())
  })

  const TIMES = 8
  /** How many ports a number of threads leave behind: those of the Workers themselves, at least. One may still be closing. */
  const leftBy = async (live: (reader: ReaderThread) => Promise<unknown>): Promise<number> => {
    const before = ports()
    for (let i = 0; i < TIMES; i++) {
      const reader = await ReaderThread.start()
      await live(reader)
      await reader.worker.terminate()
    }
    await settle()
    return ports() - before
  }
  const doNothing = (reader: ReaderThread): Promise<unknown> => reader.run('abort', ['nothing'])

  it('of readers whose threads died while they asked something', async () => {
    const system = new VirtualSystem()
    await started(system)
    system.issuer.otherwise = () => new Promise(() => undefined)
    const asking = async (reader: ReaderThread): Promise<void> => {
      await reader.run('subscribe', [])
      void reader.run('reject', [0, 'token-1'])
      await reader.run('status', [0])
    }
    await asking(await ReaderThread.start())
    const nothing = await leftBy(doNothing)
    expect(await leftBy(asking)).toBeLessThan(nothing + TIMES)
  })

  it('of readers whose threads died while there was no refresher to join', async () => {
    const system = new VirtualSystem()
    await started(system)
    await system.kill()
    const waiting = async (reader: ReaderThread): Promise<void> => {
      const asked = once(process, 'workerMessage')
      void reader.run('subscribe', [])
      await asked
    }
    await waiting(await ReaderThread.start())
    const nothing = await leftBy(doNothing)
    expect(await leftBy(waiting)).toBeLessThan(nothing + TIMES)
  })
})
