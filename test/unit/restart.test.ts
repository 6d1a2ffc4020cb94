import { MessageChannel } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { keepingLogger } from '../support/log.js'
import { failureOf, outcomeOf } from '../support/outcome.js'
import { CLASSIC, ScriptedIssuer, transient } from '../support/scripted-issuer.js'
import { constructed, started } from '../support/start.js'
import { settle } from '../support/virtual-clock.js'
import { VirtualSystem } from '../support/virtual-system.js'

const HOUR = 3_600_000
const MINUTE = 60_000

describe('a dead thread', () => {
  it('is a non-event: readers keep the token, the next thread makes no call before it is due', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    const { nextRefreshAt = 0 } = tokens.status()
    const restarts: object[] = []
    tokens.on('restart', (restart) => restarts.push(restart))
    await system.clock.advance(HOUR)
    await system.kill(new Error('boom'))
    expect(tokens.get()).toBe('token-1')
    await system.clock.advance(1_000)
    expect(system.starts).toHaveLength(2)
    expect(restarts).toEqual([{ reason: 'crashed', restarts: 1 }])
    expect(tokens.status()).toMatchObject({ state: 'valid', restarts: 1, nextRefreshAt })
    await system.clock.advance(nextRefreshAt - system.clock.now() - 1)
    expect(system.issuer.calls).toHaveLength(1)
    await system.clock.advance(2)
    expect(system.issuer.calls).toHaveLength(2)
    expect(tokens.get()).toBe('token-2')
  })

  it('hands on the day’s count, the last forced call and the backoff’s step', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    await tokens.refresh()
    const forcedAt = system.clock.now()
    await system.kill()
    await system.clock.advance(1_000)
    expect(tokens.status()).toMatchObject({ fetchesToday: 2, forcedToday: 1 })
    expect(await failureOf(() => tokens.refresh())).toMatchObject({
      code: 'ERR_FETCH_LIMIT',
      retryAt: forcedAt + 31_000,
    })
    system.random = 0.999
    system.issuer.otherwise = transient()
    await system.clock.advance(2 * HOUR)
    const { failures } = tokens.status()
    expect(failures).toBeGreaterThan(6)
    await system.kill()
    await system.clock.advance(1_000)
    const before = system.issuer.calls.length
    await system.clock.advance(2 * MINUTE)
    // At the backoff's end stage: two or three calls in two minutes, where a fresh backoff makes seven.
    expect(system.issuer.calls.length - before).toBeLessThanOrEqual(3)
    expect(tokens.status().failures).toBeGreaterThan(failures)
  })

  it('costs one call more when it dies between sending and publishing', async () => {
    const system = new VirtualSystem((_account, clock) => new ScriptedIssuer(CLASSIC, clock))
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    system.issuer.script.push(() => new Promise(() => undefined))
    const refused = outcomeOf(tokens.reject('token-1'))
    await settle()
    // The call is counted though its answer never comes.
    expect(tokens.status().fetchesToday).toBe(2)
    await system.kill()
    await system.clock.advance(2_000)
    expect(system.issuer.calls).toHaveLength(3)
    expect(tokens.get()).toBe('token-2')
    expect(refused.value?.accessToken).toBe('token-2')
    expect(tokens.status().fetchesToday).toBe(3)
    // Nothing more until the new token is due.
    await system.clock.advance(HOUR)
    expect(system.issuer.calls).toHaveLength(3)
  })

  it('makes the call anew that was in flight, though nobody waits for it any more: the token may be retired', async () => {
    const system = new VirtualSystem((_account, clock) => new ScriptedIssuer(CLASSIC, clock))
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    system.issuer.script.push(() => new Promise(() => undefined))
    const controller = new AbortController()
    const refreshed = outcomeOf(tokens.refresh({ signal: controller.signal }))
    await settle()
    controller.abort()
    await settle()
    expect(refreshed.settled).toBe(true)
    await system.kill()
    await system.clock.advance(2_000)
    expect(system.issuer.calls).toHaveLength(3)
    expect(tokens.get()).toBe('token-2')
  })

  it('is asked again, in its successor, what it had not answered', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    system.issuer.script.push(transient())
    const refused = outcomeOf(tokens.reject('token-1'))
    await settle()
    await system.kill()
    await system.clock.advance(5_000)
    expect(refused.value?.accessToken).toBe('token-2')
  })

  it('is started again with a growing delay while it dies at once, and never hot', async () => {
    const system = new VirtualSystem()
    system.random = 0.999
    await started(system)
    let deaths = 0
    const at: number[] = []
    for (let i = 0; i < 3_600 && deaths < 12; i++) {
      if (system.starts.length > deaths) {
        deaths += 1
        at.push(system.clock.monotonic())
        await system.kill()
      }
      await system.clock.advance(50)
    }
    const gaps = at.slice(1).map((when, i) => when - (at[i] ?? 0))
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(100)
    expect(gaps.at(-1)).toBeGreaterThan(20_000)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(30_100)
    expect(system.issuer.calls).toHaveLength(1)
  })

  it('logs a warning without the secret that its error quotes', async () => {
    const system = new VirtualSystem()
    const logger = keepingLogger()
    await started(system, { logger })
    await system.kill(new Error('failed with appSecret=secret-of-wx1'))
    await settle()
    const warning = logger.lines.find(({ level }) => level === 'warn')
    expect(warning?.fields).toMatchObject({ code: 'ERR_THREAD', reason: 'crashed', restarts: 1 })
    expect(warning?.message).toContain('appSecret=***')
  })

  it('may be refused its successor by the system: that is tried again', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    const spawn = system.runtime.spawn
    system.runtime.spawn = () => {
      system.spawned += 1
      if (system.spawned === 3) system.runtime.spawn = spawn
      throw new Error('EAGAIN')
    }
    await system.kill()
    await system.clock.advance(10_000)
    expect(system.starts).toHaveLength(2)
    expect(tokens.status()).toMatchObject({ state: 'valid', restarts: 4 })
  })

  it('does not end start at once: one death may pass', async () => {
    const system = new VirtualSystem()
    const start = outcomeOf(started(system))
    void system.kill(new Error('at birth'))
    await system.clock.advance(5_000)
    expect(start.value?.status()).toMatchObject({ state: 'valid', restarts: 1 })
    expect(system.starts).toHaveLength(2)
  })

  it('is asked once, though the question came before it was ready', async () => {
    const system = new VirtualSystem((_account, clock) => new ScriptedIssuer(CLASSIC, clock))
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    const spawn = system.runtime.spawn
    let refreshed: ReturnType<typeof outcomeOf<unknown>> | undefined
    system.runtime.spawn = (start, url, onExit) => {
      const thread = spawn(start, url, onExit)
      queueMicrotask(() => (refreshed = outcomeOf(tokens.refresh())))
      return thread
    }
    await system.kill()
    await system.clock.advance(30_000)
    expect(refreshed?.value).toMatchObject({ accessToken: 'token-2' })
    expect(system.issuer.calls).toHaveLength(2)
  })

  it('over and over is told once, then counted', async () => {
    const system = new VirtualSystem()
    const logger = keepingLogger()
    await started(system, { logger })
    for (let i = 0; i < 15; i++) {
      await system.kill()
      await system.clock.advance(31_000)
    }
    const told = (): object[] => logger.lines.filter(({ level }) => level !== 'info')
    expect(told()).toHaveLength(1)
    for (let i = 0; i < 10; i++) {
      await system.kill()
      await system.clock.advance(31_000)
    }
    expect(told()).toHaveLength(2)
    expect(told()[1]).toMatchObject({ fields: { repeated: 19, restarts: 21 } })
  })

  it('of a thread that was sound is news each time', async () => {
    const system = new VirtualSystem()
    const logger = keepingLogger()
    await started(system, { logger })
    for (let i = 0; i < 3; i++) {
      await system.clock.advance(9 * MINUTE)
      await system.kill()
    }
    await settle()
    expect(logger.lines.filter(({ level }) => level === 'warn')).toHaveLength(3)
  })

  it('lets start fail when it never came so far as to be ready', async () => {
    const system = new VirtualSystem()
    const spawn = system.runtime.spawn
    system.runtime.spawn = (start, url, onExit) => {
      const thread = spawn({ ...start, accounts: [] }, url, () => undefined)
      setImmediate(() => onExit({ exitCode: 1, error: new Error('Cannot find module') }))
      return { ...thread, port: new MessageChannel().port1 }
    }
    const start = outcomeOf(started(system))
    await system.clock.advance(5_000)
    const error = await failureOf(() =>
      Promise.reject(start.error instanceof Error ? start.error : new Error('none')),
    )
    expect(error.code).toBe('ERR_THREAD')
    expect(error.message).toContain('workerUrl')
    expect(system.clock.holds).toBe(0)
  })
})

describe('a hung thread', () => {
  it('is noticed and replaced, without a call before the token is due', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    const reasons: string[] = []
    tokens.on('restart', ({ reason }) => reasons.push(reason))
    await system.clock.advance(HOUR)
    system.stopAnswering()
    await system.clock.advance(MINUTE)
    expect(system.terminated).toBe(1)
    expect(reasons).toEqual(['hung'])
    expect(tokens.status().state).toBe('valid')
    expect(system.issuer.calls).toHaveLength(1)
    await system.clock.advance(2 * HOUR)
    expect(system.issuer.calls.length).toBeGreaterThan(1)
    expect(tokens.status().state).toBe('valid')
  })

  it('is not what a blocked main thread takes it for', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    for (let i = 0; i < 20; i++) {
      // The heartbeat's timer runs late and before the waiting answer.
      system.clock.block(20_000)
      await system.clock.advance(1_000)
    }
    expect(system.terminated).toBe(0)
    expect(tokens.status().restarts).toBe(0)
  })
})

describe('a worker file of another version', () => {
  const stale = (): VirtualSystem => {
    const system = new VirtualSystem()
    system.runtime.spawn = ({ incarnation }, _url, onExit) => {
      const { port1, port2 } = new MessageChannel()
      system.spawned += 1
      port2.postMessage({ type: 'hello', incarnation, protocol: 99 })
      return {
        port: port1,
        terminate: () => {
          port2.close()
          setImmediate(() => onExit({ exitCode: 1, error: undefined }))
        },
      }
    }
    return system
  }

  it('fails start clearly and leaves nothing behind', async () => {
    const system = stale()
    const error = await failureOf(() => started(system))
    expect(error.code).toBe('ERR_PROTOCOL')
    expect(error.message).toContain('workerUrl')
    await system.clock.advance(HOUR)
    expect(system.spawned).toBe(1)
    expect(system.clock.holds).toBe(0)
  })

  it('is tried again once a minute after the constructor', async () => {
    const system = stale()
    const tokens = constructed(system)
    await system.clock.advance(10 * MINUTE)
    expect(system.spawned).toBe(11)
    expect((await failureOf(() => tokens.get())).cause).toMatchObject({ code: 'ERR_PROTOCOL' })
  })
})
