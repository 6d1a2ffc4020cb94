import { once } from 'node:events'
import { describe, expect, it, vi } from 'vitest'
import { PROTOCOL_VERSION } from '../../src/protocol.js'
import { subscribeTokens, TokenThread } from '../../src/index.js'
import { startWechat } from '../../demo/simulator.js'
import { started } from '../support/start.js'
import { VirtualClock } from '../support/virtual-clock.js'
import { VirtualSystem } from '../support/virtual-system.js'
import { cleanUp } from '../support/cleanup.js'
import { fate, MORTAL_WORKER } from '../support/channel.js'
import { closed, newer, open, ReaderThread, withCode } from '../support/reader-thread.js'
import { APP_ID, next, optionsFor, simulator, threadOn } from '../support/simulated.js'

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
