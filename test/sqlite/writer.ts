import { writeSync } from 'node:fs'
import { systemClock } from '../../src/clock.js'
import { sqliteStore } from '../../workers/stores/sql/sqlite.js'

/** A process that publishes one token after the other, until it is killed: `kills.test.ts`. It says what is stored. */
const [path = ''] = process.argv.slice(2)
const store = sqliteStore(path, {
  clock: systemClock,
  warn: (message) => {
    throw new Error(message)
  },
})

// What waits for a busy file keeps no process alive.
systemClock.hold()

for (;;) {
  const { granted, stored } = await store.acquire('key', { duration: 50, known: 0 })
  if (!granted) {
    await new Promise((resolve) => setImmediate(resolve))
    continue
  }
  const { epoch, spent } = stored
  const calls = spent.calls + 1
  if (!(await store.spend('key', epoch, { ...spent, calls }))) continue
  // Of many lengths: one page, several, none.
  const accessToken = `${epoch} ${'x'.repeat((calls * 977) % 20_000)}`
  const token = { accessToken, issuedAt: epoch, expiresAt: calls, generation: epoch }
  const isPublished = await store.publish('key', epoch, token)
  await store.release('key', epoch)
  writeSync(1, `${isPublished ? 'published' : 'spent'} ${calls}\n`)
}
