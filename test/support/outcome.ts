import { TokenThreadError } from '../../src/errors.js'

/** What became of a promise, without waiting for it. */
export interface Outcome<T> {
  value?: T
  error?: unknown
  settled: boolean
}

export function outcomeOf<T>(promise: Promise<T>): Outcome<T> {
  const outcome: Outcome<T> = { settled: false }
  promise.then(
    (value) => Object.assign(outcome, { value, settled: true }),
    (error: unknown) => Object.assign(outcome, { error, settled: true }),
  )
  return outcome
}

/** The TokenThreadError that `run` throws or rejects with. */
export async function failureOf(run: () => unknown): Promise<TokenThreadError> {
  try {
    await run()
  } catch (error) {
    if (error instanceof TokenThreadError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
