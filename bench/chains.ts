/** Timers one after another, several chains side by side: the same kind of instants as those of refreshes. */
export interface Chains {
  readonly chains: number
  /** ms between two instants of a chain, drawn anew each time */
  readonly shortest: number
  readonly longest: number
}

export interface Firing {
  readonly chain: number
  /** ms since the epoch, both */
  readonly plannedAt: number
  readonly firedAt: number
}

/** Runs until the thread ends, or until `signal`. */
export function startChains(
  { chains, shortest, longest }: Chains,
  fired: (firing: Firing) => Promise<void> | undefined,
  signal?: AbortSignal,
): Promise<void>[] {
  const run = async (chain: number): Promise<void> => {
    while (!signal?.aborted) {
      const delay = Math.ceil(shortest + Math.random() * (longest - shortest))
      const plannedAt = Date.now() + delay
      await new Promise((resolve) => setTimeout(resolve, delay))
      await fired({ chain, plannedAt, firedAt: Date.now() })
    }
  }
  return Array.from({ length: chains }, (_, chain) => run(chain))
}
