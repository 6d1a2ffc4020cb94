import type { Figures, ModeFigures } from './figures.js'

/** Something that `thread` should keep. */
export interface Aim {
  readonly met: boolean
  readonly text: string
}

/** Shares of what `constant` reached that `thread` may cost, beside the noise. */
const RPS_COST = 0.02
const P999_COST = 0.05

/** None where `thread` did not run; those against `constant` where both did. */
export function aims({ modes, noise }: Figures): Aim[] {
  const thread = modes.find(({ mode }) => mode === 'thread')
  const constant = modes.find(({ mode }) => mode === 'constant')
  if (!thread) return []
  const beside =
    constant && noise ? [fast(thread, constant, noise.rps), smooth(thread, constant, noise.p999)] : []
  return [
    ...beside,
    { met: thread.waited === 0, text: `no request waited for a token: ${thread.waited} did` },
    { met: thread.refused === 0, text: `no request was refused: ${thread.refused} were` },
    {
      met: thread.fetches === thread.rotations,
      text: `one token call for each rotation: ${thread.fetches} for ${thread.rotations}`,
    },
  ]
}

function fast(thread: ModeFigures, constant: ModeFigures, noise: number): Aim {
  const cost = 1 - thread.rps / constant.rps
  return {
    met: cost <= RPS_COST + noise,
    text:
      `requests/s within ${percent(RPS_COST)} of constant, beyond a noise of ${percent(noise)}: ` +
      `${percent(Math.abs(cost))} ${cost > 0 ? 'fewer' : 'more'}`,
  }
}

function smooth(thread: ModeFigures, constant: ModeFigures, noise: number): Aim {
  const cost = thread.p999 / constant.p999 - 1
  return {
    met: cost <= P999_COST + noise,
    text:
      `p99.9 within ${percent(P999_COST)} of constant, beyond a noise of ${percent(noise)}: ` +
      `${percent(Math.abs(cost))} ${cost > 0 ? 'longer' : 'shorter'}`,
  }
}

export const percent = (share: number): string => `${(share * 100).toFixed(1)} %`
