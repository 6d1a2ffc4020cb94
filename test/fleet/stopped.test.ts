import { expect, test } from 'vitest'
import { SPEND } from '../../workers/stores/redis/scripts.js'
import { cleanUp } from '../support/cleanup.js'
import { Fleet, type FleetOptions } from '../support/fleet.js'
import type { FleetNode } from '../support/fleet-node.js'
import { DUE_AT_ONCE, type SharedStore, sharedStore, storeInItsMargin } from '../support/fleet-stores.js'
import { redisServer } from '../support/redis-server.js'
import { describeWith } from '../support/servers.js'
import { APP_ID, next } from '../support/simulated.js'
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy.js'

/** A call of 2 s at most: another process may take over after a lease of 2.5 s. */
const OPTIONS = { timeout: 2_000 }

interface Stage {
  readonly fleet: Fleet
  /** Only the first process goes to the store this way. */
  readonly proxy: TcpProxy
  readonly first: FleetNode
  readonly second: FleetNode
  /** What all have. */
  readonly old: string
}

/** Four processes on one Redis. None of them uses its token by itself. */
async function stage(endpoint: 'stable' | 'classic'): Promise<Stage> {
  const server = await redisServer()
  cleanUp(() => server.remove())
  const proxy = await tcpProxy(server.port)
  cleanUp(() => proxy.remove())
  const fleet = await fleetOn({ endpoint, store: { kind: 'redis', url: server.url } })
  const first = fleet.start({ store: { kind: 'redis', url: `redis://127.0.0.1:${proxy.port}` } })
  const second = fleet.start()
  fleet.start()
  fleet.start()
  await fleet.converged()
  return { fleet, proxy, first, second, old: fleet.live ?? '' }
}

async function fleetOn(options: FleetOptions): Promise<Fleet> {
  const fleet = await Fleet.create({ ...options, options: OPTIONS, useEvery: 0 })
  cleanUp(() => fleet.remove())
  return fleet
}

const calls = ({ sim }: Fleet): number => sim.counters(APP_ID).tokenCalls

/** All go on, as one: the next rotation is one call again, and no token of theirs is refused. */
async function isSound(fleet: Fleet): Promise<void> {
  await fleet.converged()
  const used = await Promise.all(fleet.nodes.map((node) => node.ask({ do: 'use' })))
  expect(used.map(({ errcode }) => errcode)).toEqual(fleet.nodes.map(() => 0))
  const before = calls(fleet)
  const bad = fleet.live ?? ''
  await fleet.control('revoke', { appId: APP_ID })
  await Promise.all(fleet.nodes.map((node) => node.ask({ do: 'reject', accessToken: bad })))
  await fleet.converged()
  expect(calls(fleet)).toBe(before + 1)
  expect(fleet.all.flatMap(({ unreadable }) => unreadable)).toEqual([])
}

describeWith('redis-program', 'a process stopped by SIGSTOP', () => {
  test('just before its request is sent never sends it: its lease is over when it wakes', async () => {
    const { fleet, proxy, first, second, old } = await stage('classic')
    const held = proxy.holdAnswerTo(SPEND.sha)
    void first.ask({ do: 'reject', accessToken: old })
    await held.answered
    await first.stop()
    held.release()
    void second.ask({ do: 'reject', accessToken: old })
    await fleet.until(() => second.token !== old, 'another process took over')
    await fleet.converged()
    expect(calls(fleet)).toBe(2)
    first.wake()
    // It reads the store again only after its own attempt is over.
    await fleet.converged()
    expect(calls(fleet)).toBe(2)
    await isSound(fleet)
  })

  test('after its answer came publishes no token on classic, and what it may have made void is replaced', async () => {
    const { fleet, first, second, old } = await stage('classic')
    const late = await stoppedInItsCall(fleet, first, old)
    void second.ask({ do: 'reject', accessToken: old })
    await fleet.until(() => second.token !== old, 'another process took over')
    await fleet.converged()
    expect(calls(fleet)).toBe(3)
    first.wake()
    await fleet.until(() => calls(fleet) === 4, 'the token that may be void is replaced')
    await isSound(fleet)
    expect(fleet.nodes.flatMap(({ tokens }) => tokens).map(({ accessToken }) => accessToken)).not.toContain(
      late,
    )
    expect(calls(fleet)).toBe(5)
  })

  test('after its answer came costs no more calls on stable, where all get the same token', async () => {
    const { fleet, first, second, old } = await stage('stable')
    await fleet.control('revoke', { appId: APP_ID })
    const late = await stoppedInItsCall(fleet, first, old)
    void second.ask({ do: 'reject', accessToken: old })
    await fleet.until(() => second.token === late, 'another process took over')
    await fleet.converged()
    first.wake()
    await isSound(fleet)
    expect(fleet.sim.counters(APP_ID)).toMatchObject({ tokenCalls: 4, issued: 3, unchanged: 1, forced: 0 })
  })

  test('whose request arrives only after another took over has that one’s token replaced', async () => {
    const { fleet, first, second, old } = await stage('classic')
    const hold = fleet.sim.inject({ hold: true, times: 1 })
    void first.ask({ do: 'reject', accessToken: old })
    await hold.held()
    await first.stop()
    void second.ask({ do: 'reject', accessToken: old })
    await fleet.until(() => second.token !== old, 'another process took over')
    await fleet.converged()
    const call = next(fleet.sim, 'call')
    hold.release()
    await call
    // The store has a token that the late call has retired: it works for the overlap only.
    expect(second.token).not.toBe(fleet.live)
    expect((await second.ask({ do: 'use' })).errcode).toBe(0)
    first.wake()
    await fleet.until(() => calls(fleet) === 4, 'the token that was made void is replaced')
    await isSound(fleet)
    expect(calls(fleet)).toBe(5)
  })
})

/** Its call has been answered, and it does not get to the answer. Gives the token in there. */
async function stoppedInItsCall(fleet: Fleet, node: FleetNode, old: string): Promise<string | undefined> {
  const hold = fleet.sim.inject({ hold: true, times: 1 })
  void node.ask({ do: 'reject', accessToken: old })
  await hold.held()
  await node.stop()
  const call = next(fleet.sim, 'call')
  hold.release()
  await call
  return fleet.live
}

describeWith('redis-program', 'a process killed in the middle of a scheduled refresh', () => {
  /** ms; while the first one's call lasts the others start, whatever else the machine does. */
  const due = { ...DUE_AT_ONCE, timeout: 12_000 }

  test.each([
    ['before its answer came', 1],
    ['after its answer came', 2],
  ] as const)('%s is replaced while the old token is alive', async (when, issued) => {
    const store: SharedStore = await sharedStore('redis')
    cleanUp(store.remove)
    const fleet = await fleetOn({ endpoint: 'classic', store: store.options })
    const old = await storeInItsMargin(fleet.sim, store)
    const hold = fleet.sim.inject({ hold: true, times: 1 })
    const first = fleet.start(due)
    await hold.held()
    const others = [fleet.start(due), fleet.start(due), fleet.start(due)]
    await fleet.until(() => others.every(({ token }) => token === old), 'the stored token serves')
    if (when === 'after its answer came') {
      await first.stop()
      const call = next(fleet.sim, 'call')
      hold.release()
      await call
    }
    const before = fleet.sim.counters(APP_ID)
    await fleet.kill(first)
    await fleet.until(() => others.every(({ token }) => token !== old), 'another process took over')
    const after = fleet.sim.counters(APP_ID)
    expect([after.tokenCalls - before.tokenCalls, before.issued]).toEqual([1, issued])
    await isSound(fleet)
  })
})
