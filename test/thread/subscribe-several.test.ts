import { MessageChannel, MessagePort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { describe, expect, it } from 'vitest'
import { subscribeTokens, TokenThread, type TokenThreadOptions } from '../../src/index.js'
import type { Simulator } from '../../simulator/index.js'
import { VirtualClock } from '../support/virtual-clock.js'
import { cleanUp } from '../support/cleanup.js'
import { fate, MORTAL_WORKER } from '../support/channel.js'
import { closed, newer, ReaderThread, withCode } from '../support/reader-thread.js'
import { APP_ID, next, optionsFor, simulator, threadOn } from '../support/simulated.js'

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
