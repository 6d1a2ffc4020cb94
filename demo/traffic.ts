import { setTimeout as sleep } from 'node:timers/promises'

/** Light traffic: a few clients, each asking again a moment after its answer. Resolves with the requests served. */
export async function traffic(url: string, signal: AbortSignal, served: () => void): Promise<void> {
  await Promise.all(
    Array.from({ length: 4 }, async (_, client) => {
      while (!signal.aborted) {
        const response = await fetch(new URL(client % 2 === 0 ? '/' : '/page', url))
        await response.text()
        if (response.ok) served()
        await sleep(20)
      }
    }),
  )
}
