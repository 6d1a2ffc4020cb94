import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TokenThread } from '../../src/token-thread.js'
import {
  CLASSIC,
  limitReached,
  operatorError,
  ScriptedIssuer,
  STABLE,
  transient,
} from '../support/scripted-issuer.js'
import { outcomeOf } from '../support/outcome.js'
import { ACCOUNT } from '../support/start.js'
import { settle } from '../support/virtual-clock.js'
import { VirtualSystem } from '../support/virtual-system.js'

const FLOOR = 500
/** `npm run proof` asks for more. */
const runs = (few: number): number => Math.ceil(few * Number(process.env.PROPERTY_RUNS ?? 1))

type Action =
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'step'; readonly ms: number }
  | { readonly do: 'suspend'; readonly ms: number }
  | { readonly do: 'block'; readonly ms: number }
  | {
      readonly do: 'answer'
      readonly how: 'grant' | 'short' | 'same' | 'fail' | 'refuse' | 'limit' | 'never'
    }
  | { readonly do: 'reject' | 'reject old' | 'refresh' | 'kill' | 'read' }

const ms = fc.oneof(fc.integer({ min: 1, max: 3_000 }), fc.integer({ min: 1, max: 7_300_000 }))
const actions = (clockJumps: boolean): fc.Arbitrary<Action[]> =>
  fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant('pass' as const), ms }) },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constant('block' as const), ms: fc.integer({ min: 1, max: 60_000 }) }),
      },
      {
        weight: 4,
        arbitrary: fc.record({
          do: fc.constant('answer' as const),
          how: fc.constantFrom('grant', 'short', 'same', 'fail', 'refuse', 'limit', 'never'),
        }),
      },
      {
        weight: 5,
        arbitrary: fc.record({ do: fc.constantFrom('reject', 'reject old', 'refresh', 'kill', 'read') }),
      },
      ...(clockJumps
        ? [
            {
              weight: 2,
              arbitrary: fc.record({
                do: fc.constant('step' as const),
                ms: fc.integer({ min: -8_000_000, max: 8_000_000 }),
              }),
            },
            {
              weight: 1,
              arbitrary: fc.record({
                do: fc.constant('suspend' as const),
                ms: fc.integer({ min: 1, max: 8_000_000 }),
              }),
            },
          ]
        : []),
    ),
    { minLength: 5, maxLength: 40 },
  )

function replyOf(
  issuer: ScriptedIssuer,
  how: string,
  current: () => string | undefined,
): ScriptedIssuer['otherwise'] {
  switch (how) {
    case 'short':
      return () => issuer.grant(2_000)
    case 'same':
      return () => {
        const token = current()
        return token === undefined ? issuer.grant() : issuer.same(token, 5_000)
      }
    case 'fail':
      return transient()
    case 'refuse':
      return operatorError()
    case 'limit':
      return limitReached('day')
    case 'never':
      // As the transport does: it is aborted in the end.
      return () =>
        new Promise((resolve) => setImmediate(() => setImmediate(() => resolve(transient('ERR_TIMEOUT')))))
    default:
      return () => issuer.grant()
  }
}

/** Runs the actions on a fresh system; `check` looks at it after each. */
async function live(
  script: readonly Action[],
  limits: typeof STABLE,
  check: (system: VirtualSystem, tokens: TokenThread) => void,
): Promise<void> {
  const system = new VirtualSystem((_account, clock) => new ScriptedIssuer(limits, clock))
  // Threads die here and do not hang; days of signs of life would take most of the time.
  system.runtime.heartbeat = 120_000
  const endpoint = limits.force ? 'stable' : 'classic'
  const tokens = new TokenThread(
    { ...ACCOUNT, endpoint, retry: { minDelay: FLOOR, maxDelay: 5_000 } },
    system.runtime,
  )
  try {
    await settle()
    let old = 'none'
    let waiting = outcomeOf(tokens.ready())
    for (const action of script) {
      const current = tokens.current?.accessToken
      switch (action.do) {
        case 'pass':
          await system.clock.advance(action.ms)
          break
        case 'step':
          system.clock.step(action.ms)
          break
        case 'suspend':
          system.clock.suspend(action.ms)
          break
        case 'block':
          system.clock.block(action.ms)
          break
        case 'answer':
          system.issuer.otherwise = replyOf(system.issuer, action.how, () => tokens.current?.accessToken)
          break
        case 'reject':
          if (current !== undefined) void tokens.reject(current)
          old = current ?? old
          break
        case 'reject old':
          void tokens.reject(old)
          break
        case 'refresh':
          tokens.refresh().catch((error: unknown) => error)
          break
        case 'kill':
          await system.kill(new Error('killed'))
          break
        case 'read':
          break
      }
      check(system, tokens)
      if (waiting.settled) waiting = outcomeOf(tokens.ready())
      await settle()
      check(system, tokens)
      // Nobody waits for what is there.
      if (tokens.current) {
        await settle()
        expect(waiting.settled).toBe(true)
      }
    }
  } finally {
    await tokens.close()
  }
  expect(system.clock.holds).toBe(0)
}

const limitsOf = fc.constantFrom(STABLE, CLASSIC)

describe('whatever happens', () => {
  it('a read never gives an expired token, and a generation never goes back, also when clocks jump', async () => {
    await fc.assert(
      fc.asyncProperty(actions(true), limitsOf, async (script, limits) => {
        let generation = 0
        await live(script, limits, (system, tokens) => {
          const token = tokens.current
          if (!token) return
          expect(token.expiresAt).toBeGreaterThan(system.clock.now())
          expect(token.generation).toBeGreaterThanOrEqual(generation)
          expect(tokens.get()).toBe(token.accessToken)
          generation = token.generation
        })
      }),
      { numRuns: runs(60) },
    )
  }, 3_600_000)

  it('no two calls are nearer than the floor, none overlap, and none is beyond the day’s budget', async () => {
    const few = { ...CLASSIC, perDay: 12 }
    await fc.assert(
      fc.asyncProperty(actions(false), fc.constantFrom(STABLE, CLASSIC, few), async (script, limits) => {
        await live(script, limits, (system) => {
          const { calls, mostInFlight } = system.issuer
          expect(mostInFlight).toBeLessThanOrEqual(1)
          for (const [i, call] of calls.entries()) {
            const next = calls[i + 1]
            if (next) expect(next.mono - call.mono).toBeGreaterThanOrEqual(FLOOR)
          }
          const days = new Map<number, number>()
          for (const { at } of calls) {
            const day = Math.floor((at + 8 * 3_600_000) / 86_400_000)
            days.set(day, (days.get(day) ?? 0) + 1)
          }
          for (const count of days.values()) expect(count).toBeLessThanOrEqual(limits.perDay)
          const forced = calls.filter((call) => call.forced)
          for (const [i, call] of forced.entries()) {
            const next = forced[i + 1]
            if (next) expect(next.mono - call.mono).toBeGreaterThanOrEqual(30_000)
          }
        })
      }),
      { numRuns: runs(60) },
    )
  }, 3_600_000)

  it('there is a token again once the issuer gives one', async () => {
    await fc.assert(
      fc.asyncProperty(actions(true), limitsOf, async (script, limits) => {
        const healed: Action[] = [
          ...script,
          { do: 'answer', how: 'grant' },
          { do: 'pass', ms: 86_400_000 + 600_000 },
        ]
        let last: string | undefined
        await live(healed, limits, (_system, tokens) => {
          last = tokens.current?.accessToken
        })
        expect(last).toBeDefined()
      }),
      { numRuns: runs(16) },
    )
  }, 3_600_000)
})
