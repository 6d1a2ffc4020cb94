import { describe, expect, it } from 'vitest'
import { failureOf, outcomeOf } from '../support/outcome.js'
import { transient } from '../support/scripted-issuer.js'
import { constructed, started } from '../support/start.js'
import { settle } from '../support/virtual-clock.js'
import { VirtualSystem } from '../support/virtual-system.js'

const MINUTE = 60_000
const HOUR = 3_600_000

describe('clocks', () => {
  it('expires by the monotonic clock when the wall clock was stepped back', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    system.issuer.otherwise = transient()
    system.clock.step(-24 * HOUR)
    await system.clock.advance(7_200_000)
    await failureOf(() => tokens.get())
  })

  it('mends itself after the wall clock was stepped forward beyond the expiry', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    system.clock.step(24 * HOUR)
    expect((await failureOf(() => tokens.get())).code).toBe('ERR_TOKEN_UNAVAILABLE')
    // That read woke the loop: no time passes.
    await settle()
    expect(tokens.get()).toBe('token-2')
    expect(tokens.status().expiresAt).toBe(system.clock.now() + 7_200_000)
  })

  it('lets whoever waits have the same token whose expiry was corrected', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    const { expiresAt = 0 } = tokens.status()
    system.clock.step(3 * HOUR)
    const ready = outcomeOf(tokens.ready())
    system.issuer.otherwise = () => system.issuer.same('token-1', expiresAt + 3 * HOUR - system.clock.now())
    await system.clock.advance(1_000)
    expect(tokens.get()).toBe('token-1')
    expect(ready.value?.accessToken).toBe('token-1')
    expect(system.clock.holds).toBe(0)
  })

  it('refreshes within 30 s of waking from suspend', async () => {
    const system = new VirtualSystem()
    const tokens = await started(system)
    await system.clock.advance(HOUR)
    system.clock.suspend(55 * MINUTE + 30_000)
    // Expiry 4 min 30 s away on the wall, an hour on the monotonic clock, which stood still.
    await system.clock.advance(30_000)
    expect(system.issuer.calls.length).toBeGreaterThanOrEqual(1)
    await system.clock.advance(MINUTE + 30_000)
    expect(tokens.get()).toBe('token-2')
  })

  it('wakes the loop at most once a floor, and never shortens a backoff', async () => {
    const system = new VirtualSystem()
    system.random = 0.999
    const tokens = constructed(system, { retry: { minDelay: 10_000, maxDelay: 60_000 } })
    await settle()
    system.issuer.otherwise = transient()
    await system.clock.advance(7_200_000)
    const before = system.issuer.calls.length
    const next = tokens.status().nextRefreshAt ?? 0
    for (let i = 0; i < 1000; i++) expect(tokens.current).toBeUndefined()
    await system.clock.advance(next - system.clock.now() - 1)
    expect(system.issuer.calls).toHaveLength(before)
    await system.clock.advance(1)
    expect(system.issuer.calls).toHaveLength(before + 1)
  })
})
