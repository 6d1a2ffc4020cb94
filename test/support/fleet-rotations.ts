import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fleet } from './fleet.js'
import {
  DUE_AT_ONCE,
  NEEDS,
  type SharedKind,
  type SharedStore,
  sharedStore,
  storeInItsMargin,
} from './fleet-stores.js'
import { describeWith } from './servers.js'
import { APP_ID } from './simulated.js'

const PROCESSES = 16
const ROTATIONS = Number(process.env.FLEET_ROTATIONS ?? 20)

/** The hard case: on the classic endpoint each fetch retires the last token. */
export function rotationTests(kind: SharedKind): void {
  describeWith(NEEDS[kind], 'processes', () => {
    let store: SharedStore
    let fleet: Fleet
    /** What the test made void through the control interface. */
    const revoked: (string | undefined)[] = []

    beforeAll(async () => {
      store = await sharedStore(kind)
      fleet = await Fleet.create({ endpoint: 'classic', store: store.options })
    })
    afterAll(async () => {
      await fleet.remove()
      await store.remove()
    })

    test('start at once while it is empty, and make one fetch', async () => {
      for (let i = 0; i < PROCESSES; i++) fleet.start()
      await fleet.converged()
      expect(fleet.sim.counters(APP_ID)).toMatchObject({ tokenCalls: 1, issued: 1 })
    })

    test(`rotate ${ROTATIONS} times by as many fetches, and no reader is ever without a token that works`, async () => {
      const before = fleet.sim.counters(APP_ID)
      for (let i = 0; i < ROTATIONS; i++) {
        // MySQL tells of nothing: there each process must find out by itself, by its poll or by a refusal.
        if (kind === 'mysql' ? i % 10 === 9 : i % 2 === 1) {
          const { error } = await fleet.anyOf().ask({ do: 'refresh' })
          expect(error).toBeUndefined()
        } else {
          revoked.push(fleet.live)
          await fleet.control('revoke', { appId: APP_ID })
        }
        await fleet.converged()
      }
      const after = fleet.sim.counters(APP_ID)
      expect([after.tokenCalls - before.tokenCalls, after.issued - before.issued]).toEqual([
        ROTATIONS,
        ROTATIONS,
      ])
      expect(fleet.refusedBut(revoked)).toEqual([])
      expect(fleet.nodes.flatMap(({ unreadable }) => unreadable)).toEqual([])
      const said = await Promise.all(fleet.nodes.map((node) => node.ask({ do: 'status' })))
      expect(Math.min(...said.map(({ reads = 0 }) => reads))).toBeGreaterThan(0)
      expect(new Set(said.map(({ status }) => status?.generation)).size).toBe(1)
    })

    test('are told of one new token when all of them reject the old one at once', async () => {
      const before = fleet.sim.counters(APP_ID)
      const bad = fleet.live ?? ''
      revoked.push(bad)
      await fleet.control('revoke', { appId: APP_ID })
      const replies = await Promise.all(
        fleet.nodes.map((node) => node.ask({ do: 'reject', accessToken: bad })),
      )
      const { live } = fleet
      expect(live).not.toBe(bad)
      expect(new Set(replies.map(({ accessToken, error }) => error ?? accessToken))).toEqual(new Set([live]))
      expect(fleet.sim.counters(APP_ID).tokenCalls - before.tokenCalls).toBe(1)
    })

    test('that all end and come back have their token at once and fetch nothing, though the API is down', async () => {
      await fleet.converged()
      const { live } = fleet
      const [{ status } = {}] = await Promise.all(fleet.nodes.map((node) => node.ask({ do: 'status' })))
      await fleet.closeAll()
      const before = fleet.sim.counters(APP_ID)
      fleet.sim.down()
      const again = [fleet.start(), fleet.start()]
      await fleet.until(() => again.every(({ token }) => token !== undefined), 'the stored token is there')
      const said = await Promise.all(again.map((node) => node.ask({ do: 'status' })))
      // No call that failed, none that is due: what the API could not count.
      for (const { status: now } of said) {
        expect(now).toMatchObject({ failures: 0, fetchesToday: status?.fetchesToday, store: 'up' })
        expect(now?.nextRefreshAt).toBeGreaterThan(Date.now())
      }
      await fleet.sim.up()
      expect(again.map(({ token }) => token)).toEqual([live, live])
      const used = await Promise.all(again.map((node) => node.ask({ do: 'use' })))
      expect(used.map(({ errcode }) => errcode)).toEqual([0, 0])
      expect(fleet.sim.counters(APP_ID).tokenCalls).toBe(before.tokenCalls)
      await fleet.closeAll()
    })

    test('that come back inside the margin serve the stored token at once, and make one fetch', async () => {
      const before = fleet.sim.counters(APP_ID)
      const old = await storeInItsMargin(fleet.sim, store)
      const held = fleet.sim.inject({ hold: true })
      const again = [fleet.start(DUE_AT_ONCE), fleet.start(DUE_AT_ONCE)]
      await fleet.until(() => again.every(({ token }) => token !== undefined), 'the stored token is there')
      await held.held()
      expect(again.map(({ token }) => token)).toEqual([old, old])
      held.remove()
      await fleet.until(() => fleet.live !== old, 'there is a new token')
      await fleet.converged()
      // The one by which the test got the old token, and the one of the fleet.
      expect(fleet.sim.counters(APP_ID).tokenCalls - before.tokenCalls).toBe(2)
    })
  })
}
