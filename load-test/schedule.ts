import type { Mode } from './options.js'

/** One run: a mode, and of `constant`, which runs twice a round, whether it is the second time. */
export interface PlannedRun {
  readonly mode: Mode
  readonly round: number
  readonly again: boolean
}

/**
 * The modes alternate, in another order each round, so that what drifts over time strikes all alike. `constant` begins
 * and ends each round.
 */
export function plan(modes: readonly Mode[], rounds: number): PlannedRun[] {
  const others = modes.filter((mode) => mode !== 'constant')
  const ends: Mode[] = modes.includes('constant') ? ['constant'] : []
  return Array.from({ length: rounds }, (_, round) => {
    const turn = others.length === 0 ? 0 : round % others.length
    const order = [...ends, ...others.slice(turn), ...others.slice(0, turn), ...ends]
    return order.map((mode, i) => ({ mode, round, again: mode === 'constant' && i > 0 }))
  }).flat()
}
