import { setTimeout as sleep } from 'node:timers/promises'

/** ms; for what a loaded machine may take. */
const PATIENCE = 30_000

/** Asks again until it holds: for what tells nobody of itself. */
export async function until(holds: () => Promise<boolean> | boolean, otherwise: string): Promise<void> {
  const end = Date.now() + PATIENCE
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`${otherwise} within ${PATIENCE} ms`)
    await sleep(20)
  }
}
