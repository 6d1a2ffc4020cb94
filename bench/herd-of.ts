import type { Subject } from './subject.js'
import type { TokenServer } from './token-server.js'

export const HERD = 1_000
const TOKEN_CALL = 200

/** What a herd cost: token calls, ms until the last had its answer, and how many had none. */
interface Cost {
  readonly fetches: number
  readonly took: number
  readonly failed: number
}

/**
 * A thousand at once that want the first token, and a thousand whose token is refused. The times hold a thousand connections
 * at once, more than a listening socket keeps waiting: seconds of them are the kernel's. The fetches are what counts.
 */
export async function herdOf(subject: Subject): Promise<Record<string, number>> {
  const server = await subject.serve('real', TOKEN_CALL)
  const using = await subject.start(server.url)
  const first = await herd(server, async () => (await using.first()) !== '')
  await server.revoke()
  const refused = await herd(server, () => using.request())
  const { reject } = using
  let rejected: Cost | undefined
  if (reject) {
    await server.revoke()
    const token = await using.read()
    rejected = await herd(server, async () => (await reject(token)) !== undefined)
  }
  await using.close()
  await server.close()
  return {
    'first reads: fetches': first.fetches,
    'first reads: ms': first.took,
    'first reads: failed': first.failed,
    'refused requests: fetches': refused.fetches,
    'refused requests: ms': refused.took,
    'refused requests: not healed': refused.failed,
    ...(rejected && { 'reject(): fetches': rejected.fetches, 'reject(): ms': rejected.took }),
  }
}

async function herd(server: TokenServer, one: () => Promise<boolean>): Promise<Cost> {
  const before = (await server.arrivals()).length
  const began = performance.now()
  const outcomes = await Promise.all(Array.from({ length: HERD }, () => one().catch(() => false)))
  const took = performance.now() - began
  const after = (await server.arrivals()).length
  return { fetches: after - before, took, failed: outcomes.filter((good) => !good).length }
}
