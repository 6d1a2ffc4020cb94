import type { OnStoreDown } from '../src/protocol.js'
import { type Endpoint } from './fleet-shared.js'
import { SimulatedFleet } from './fleet-simulated.js'
import type { Row } from './report.js'

/** What befalls a simulated fleet, and what it then asks of its store and of the issuer. */

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
/** ms; all that refreshing asks for falls into a token's last 200 s, however long it lived. */
const SHORT_LIFE = 10 * MINUTE
/** ms; one after the other. */
const ROTATIONS = [SHORT_LIFE, SHORT_LIFE, SHORT_LIFE]

type Figures = Row['figures']

/** One thing that happens to a fleet; it begins with all nodes at rest and ends so. */
interface Case {
  readonly name: string
  /** ms, of the token that is there when it begins. Default: `SHORT_LIFE`. */
  readonly life?: number
  readonly happens: (fleet: SimulatedFleet) => Promise<void>
}

/** Until `ms` before the token ends. */
const before = (ms: number, fleet: SimulatedFleet): Promise<void> => fleet.advance(fleet.left - ms)

const CASES: readonly Case[] = [
  {
    name: 'the node whose turn it is has died',
    happens: async (fleet) => {
      await before(210 * SECOND, fleet)
      soonest(fleet).kill()
      await fleet.advance(3 * MINUTE)
    },
  },
  {
    name: 'it dies with the lease, its call under way',
    happens: async (fleet) => {
      await before(210 * SECOND, fleet)
      fleet.issuer.swallow = () => soonest(fleet).kill()
      await fleet.advance(3 * MINUTE)
    },
  },
  {
    name: 'notices get lost',
    happens: async (fleet) => {
      fleet.store.isMute = true
      await fleet.advance(fleet.left - 10 * SECOND)
      fleet.store.isMute = false
      await fleet.advance(MINUTE)
    },
  },
  {
    name: 'the issuer says “busy” until 60 s before the end',
    happens: async (fleet) => {
      await before(210 * SECOND, fleet)
      fleet.issuer.isDown = true
      await fleet.advance(150 * SECOND)
      fleet.issuer.isDown = false
      await fleet.advance(2 * MINUTE)
    },
  },
  {
    name: 'an API refuses the token: all nodes say so at once',
    happens: async (fleet) => {
      await fleet.advance(MINUTE)
      fleet.rejectEverywhere()
      await fleet.advance(2 * MINUTE)
    },
  },
  {
    name: 'the store is gone for 10 min, and comes back empty',
    life: 20 * MINUTE,
    happens: (fleet) => outage(fleet, 15 * MINUTE),
  },
]

const OVER_THE_DUE_TIME = {
  name: 'the same, and the refresh was due meanwhile',
  life: 20 * MINUTE,
  happens: (fleet) => outage(fleet, 11 * MINUTE),
} satisfies Case

/** The store is gone for ten minutes from `left` ms before the token ends. */
async function outage(fleet: SimulatedFleet, left: number): Promise<void> {
  await before(left, fleet)
  fleet.store.isDown = true
  await fleet.advance(10 * MINUTE)
  fleet.store.comeBackEmpty()
  await fleet.advance(90 * SECOND)
}

const soonest = ({ nodes }: SimulatedFleet): SimulatedFleet['nodes'][number] =>
  nodes.reduce((a, b) => (b.account.state.due.mono < a.account.state.due.mono ? b : a))

async function measured(fleet: SimulatedFleet, run: () => Promise<void>): Promise<Figures> {
  const { store, issuer, clock, nodes } = fleet
  store.begin()
  issuer.begin()
  const began = clock.monotonic()
  await run()
  const { load, acquire, markSuspect } = store.counts
  const hours = (clock.monotonic() - began) / HOUR
  return {
    fetches: issuer.calls.length,
    'most in 1 min': issuer.mostInAMinute,
    knocks: acquire,
    'marked suspect': markSuspect,
    'operations a node': store.operations / nodes.length,
    'most operations in 1 s': store.mostInASecond,
    'seen later than 1 s': fleet.late,
    'seen by all within s': fleet.seenWithin / SECOND,
    'without a token': fleet.unserved,
    'loads a node and hour': load / nodes.length / hours,
  }
}

interface Found {
  readonly start: Figures
  readonly rotations: readonly Figures[]
  readonly cases: ReadonlyMap<string, Figures>
}

async function fleetOf(
  count: number,
  [endpoint, onStoreDown]: readonly [Endpoint, OnStoreDown],
  rotations: readonly number[],
  cases: readonly Case[],
): Promise<Found> {
  const fleet = new SimulatedFleet(count, endpoint, onStoreDown)
  const { issuer } = fleet
  const lifeOf = ({ life }: Case): number => life ?? SHORT_LIFE
  const lives = [...rotations, ...cases.map(lifeOf), SHORT_LIFE]
  /** Of the token that comes next. */
  const next = (): void => {
    issuer.life = lives.shift() ?? SHORT_LIFE
  }
  const rotate = (): Promise<void> => {
    next()
    return before(90 * SECOND, fleet)
  }
  next()
  const start = await measured(fleet, () => {
    fleet.start(SECOND)
    return fleet.advance(MINUTE)
  })
  const rotated: Figures[] = []
  for (let i = 0; i < rotations.length; i++) rotated.push(await measured(fleet, rotate))
  const happened = new Map<string, Figures>()
  for (const { name, happens } of cases) {
    issuer.life = SHORT_LIFE
    happened.set(name, await measured(fleet, () => happens(fleet)))
    await rotate()
  }
  return { start, rotations: rotated, cases: happened }
}

const alone: Case = { ...OVER_THE_DUE_TIME, name: `${OVER_THE_DUE_TIME.name} (stable, refreshAlone)` }

/** Each case by its name, of so many nodes. `isLong`: with a rotation of a token that lives 7,200 s. */
export async function simulated(count: number, isLong: boolean): Promise<Row[]> {
  const classic = await fleetOf(count, ['classic', 'wait'], ROTATIONS, [...CASES, OVER_THE_DUE_TIME])
  const stable = await fleetOf(count, ['stable', 'refreshAlone'], isLong ? [2 * HOUR] : [], [alone])
  return [
    { name: 'all start within 1 s, the store is empty', figures: classic.start },
    ...classic.rotations.map((figures, i) => ({ name: `rotation ${i + 1}`, figures })),
    ...stable.rotations.map((figures) => ({ name: 'two hours of a token that lives so long', figures })),
    ...[...classic.cases, ...stable.cases].map(([name, figures]) => ({ name, figures })),
  ]
}
