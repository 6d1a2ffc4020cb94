import type { TokenReader } from '../src/index.js'

export interface Blocked {
  /** ms into the block at which a read saw the new token; undefined: none came. */
  readonly seenAfter: number | undefined
  readonly reads: number
}

/** Blocks the event loop as a long calculation would, reading the token all the while. */
export function blockEventLoop(tokens: TokenReader, ms: number): Blocked {
  const began = performance.now()
  const old = tokens.current?.generation
  let seenAfter: number | undefined
  let reads = 0
  while (performance.now() - began < ms) {
    reads += 1
    if (seenAfter === undefined && tokens.current?.generation !== old) seenAfter = performance.now() - began
  }
  return { seenAfter, reads }
}
