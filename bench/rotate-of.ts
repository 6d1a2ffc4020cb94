import { PERIOD, type Subject, type Using } from './subject.js'
import { constant } from './subjects/constant.js'

export const ROTATIONS = 20
/** ms that a token call takes */
export const TOKEN_CALL = 200
/** ms from which on a read has waited */
export const STALLED = 5
/** ms after which it ends, however many rotations it has seen. */
const LONGEST = 2 * ROTATIONS * PERIOD

interface Seen {
  reads: number
  stalled: number
  longest: number
  failed: number
  rotations: number
  /** When the last counted rotation was seen, ms since the epoch. */
  rotatedAt: number
  last: string
}

/** A caller that reads every millisecond, through ROTATIONS rotations. */
export async function rotateOf(subject: Subject): Promise<Record<string, number>> {
  const server = await subject.serve('short', TOKEN_CALL)
  const using = await subject.start(server.url)
  const first = await using.first()
  const beganAt = Date.now()
  const seen: Seen = {
    reads: 0,
    stalled: 0,
    longest: 0,
    failed: 0,
    rotations: 0,
    rotatedAt: beganAt,
    last: first,
  }
  const until = beganAt + (subject === constant ? ROTATIONS * PERIOD : LONGEST)
  await readUntilTheEnd(using, seen, until)
  const arrivals = await server.arrivals()
  await using.close()
  await server.close()
  const fetches = arrivals.filter(({ at }) => at > beganAt && at <= seen.rotatedAt).length
  return {
    rotations: seen.rotations,
    reads: seen.reads,
    [`waited over ${STALLED} ms`]: seen.stalled,
    'longest wait ms': seen.longest,
    failed: seen.failed,
    'fetches a rotation': seen.rotations === 0 ? 0 : fetches / seen.rotations,
  }
}

async function readUntilTheEnd(using: Using, seen: Seen, until: number): Promise<void> {
  const underWay = new Set<Promise<void>>()
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      if (seen.rotations >= ROTATIONS || Date.now() > until) {
        clearInterval(timer)
        resolve()
        return
      }
      const reading = readOnce(using, seen)
      underWay.add(reading)
      void reading.then(() => underWay.delete(reading))
    }, 1)
  })
  await Promise.all(underWay)
}

/** The wait is from the call until its caller goes on, for a read that is given at once as for a promise. */
async function readOnce(using: Using, seen: Seen): Promise<void> {
  const began = performance.now()
  try {
    const token = await using.read()
    const waited = performance.now() - began
    seen.reads += 1
    seen.longest = Math.max(seen.longest, waited)
    if (waited > STALLED) seen.stalled += 1
    note(token, seen)
  } catch {
    seen.failed += 1
  }
}

/** One that fetches many tokens at once rotates once all the same. */
function note(token: string, seen: Seen): void {
  if (token === seen.last) return
  seen.last = token
  const now = Date.now()
  if (now - seen.rotatedAt < PERIOD / 2) return
  seen.rotatedAt = now
  seen.rotations += 1
}
