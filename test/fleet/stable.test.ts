import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fleet } from '../support/fleet.js'
import { type SharedStore, sharedStore } from '../support/fleet-stores.js'
import { describeWith } from '../support/servers.js'
import { APP_ID } from '../support/simulated.js'

const PROCESSES = 16
const ROTATIONS = Number(process.env.FLEET_ROTATIONS ?? 20)

describeWith('redis-program', '16 processes on the stable endpoint with one Redis', () => {
  let store: SharedStore
  let fleet: Fleet
  /** What the test made void. */
  const revoked: (string | undefined)[] = []

  beforeAll(async () => {
    store = await sharedStore('redis')
    fleet = await Fleet.create({ endpoint: 'stable', store: store.options })
    for (let i = 0; i < PROCESSES; i++) fleet.start()
    await fleet.converged()
  })
  afterAll(async () => {
    await fleet.remove()
    await store.remove()
  })

  /** All reject the live token at once, and are answered with one other: how many calls that took. */
  const rejectedByAll = async (makeVoid: (accessToken: string) => Promise<void>) => {
    const before = fleet.sim.counters(APP_ID)
    const accessToken = fleet.live ?? ''
    revoked.push(accessToken)
    await makeVoid(accessToken)
    const replies = await Promise.all(fleet.nodes.map((node) => node.ask({ do: 'reject', accessToken })))
    expect(fleet.live).not.toBe(accessToken)
    expect(new Set(replies.map((reply) => reply.error ?? reply.accessToken))).toEqual(new Set([fleet.live]))
    await fleet.converged()
    const after = fleet.sim.counters(APP_ID)
    return {
      calls: after.tokenCalls - before.tokenCalls,
      issued: after.issued - before.issued,
      forced: after.forced - before.forced,
    }
  }

  test(`rotate ${ROTATIONS} times by as many normal calls`, async () => {
    for (let i = 0; i < ROTATIONS; i++) {
      revoked.push(fleet.live)
      await fleet.control('revoke', { appId: APP_ID })
      await fleet.converged()
    }
    const made = ROTATIONS + 1
    expect(fleet.sim.counters(APP_ID)).toMatchObject({ tokenCalls: made, issued: made, forced: 0 })
  })

  test('that all reject their token at once make one normal call where that brings another', async () => {
    const made = await rejectedByAll(() => fleet.control('revoke', { appId: APP_ID }))
    expect(made).toEqual({ calls: 1, issued: 1, forced: 0 })
  })

  test('that all reject their token at once make one forced call, after a normal one has brought it again', async () => {
    const made = await rejectedByAll((accessToken) => fleet.control('refuse', { accessToken }))
    expect(made).toEqual({ calls: 2, issued: 1, forced: 1 })
  })

  test('have had a token all the time, and none was refused but those that the test made void', () => {
    expect(fleet.nodes.flatMap(({ unreadable }) => unreadable)).toEqual([])
    expect(fleet.refusedBut(revoked)).toEqual([])
  })
})
