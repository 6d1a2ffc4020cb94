import { type Clock, systemClock, systemRandom } from './clock.js'
import { type Spawn, spawnWorker } from './thread.js'

/** What the system runs on; a test hands in a virtual clock, its own dice and a thread that is none. */
export interface Runtime {
  readonly clock: Clock
  readonly random: () => number
  readonly spawn: Spawn
  /** How often the thread is asked for a sign of life; ms. */
  readonly heartbeat: number
}

export const systemRuntime: Runtime = {
  clock: systemClock,
  random: systemRandom,
  spawn: spawnWorker,
  heartbeat: 5_000,
}
