import { afterEach } from 'vitest'

const cleanUps: (() => unknown)[] = []

/** Runs after the test, the last one first, whether it passed or not. */
export function cleanUp(run: () => unknown): void {
  cleanUps.push(run)
}

afterEach(async () => {
  for (const run of cleanUps.splice(0).reverse()) await run()
})
