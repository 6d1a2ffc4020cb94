import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { sqliteStore } from '../../workers/stores/sql/sqlite.js'
import { cleanUp } from '../support/cleanup.js'
import { folder } from './files.js'

const POINTS = Number(process.env.KILL_POINTS ?? 50)

/** As one file: a process then starts in no time. */
async function bundledWriter(): Promise<string> {
  const made = mkdtempSync(fileURLToPath(new URL('../../node_modules/.kills-', import.meta.url)))
  cleanUp(() => rmSync(made, { recursive: true }))
  const outfile = join(made, 'writer.mjs')
  const entryPoints = [fileURLToPath(new URL('writer.ts', import.meta.url))]
  await build({ entryPoints, outfile, bundle: true, platform: 'node', format: 'esm' })
  return outfile
}

/** Kills it at some point after it said `lines` lines; resolves to how often it said something, and its last number. */
async function killedAfter(
  writer: string,
  path: string,
  lines: number,
  ms: number,
): Promise<{ said: number; last: number }> {
  const child = spawn(process.execPath, [writer, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  cleanUp(() => child.kill('SIGKILL'))
  const closed = once(child, 'close')
  let said = 0
  let last = 0
  createInterface({ input: child.stdout }).on('line', (line) => {
    said += 1
    last = Number(line.replace('published ', ''))
    if (said === lines) setTimeout(() => child.kill('SIGKILL'), ms)
  })
  expect(await closed).toEqual([null, 'SIGKILL'])
  return { said, last }
}

test(
  `killed at ${POINTS} points while it writes, the file has the old record or the new one`,
  { timeout: 60_000 + POINTS * 3_000 },
  async () => {
    const writer = await bundledWriter()
    const path = join(folder(), 'store.db')
    for (let point = 0; point < POINTS; point += 1) {
      const { last } = await killedAfter(writer, path, 1 + (point % 5), Math.random() * 8)
      const store = sqliteStore(path, {
        clock: systemClock,
        warn: (message) => expect.unreachable(message),
      })
      const { epoch, token, spent } = await store.load('key')
      await store.close()
      // What was said is there; of what was not said at most one round.
      expect([last, last + 1]).toContain(spent.calls)
      expect([last, last + 1]).toContain(token?.expiresAt)
      expect(token?.expiresAt).toBeLessThanOrEqual(spent.calls)
      expect(token?.generation).toBeLessThanOrEqual(epoch)
      const length = ((token?.expiresAt ?? 0) * 977) % 20_000
      expect(token?.accessToken).toBe(`${token?.generation} ${'x'.repeat(length)}`)
      expect(token?.issuedAt).toBe(token?.generation)
    }
    expect(readdirSync(dirname(path))).toEqual(['store.db'])
  },
)

test(
  'of several processes that hammer on one file, and are killed, no count is lost',
  { timeout: 120_000 },
  async () => {
    const writer = await bundledWriter()
    const path = join(folder(), 'store.db')
    const writers = [10, 20, 30, 40].map(async (lines) => killedAfter(writer, path, lines, 0))
    const said = (await Promise.all(writers)).reduce((sum, one) => sum + one.said, 0)
    const warn = (message: string): void => expect.unreachable(message)
    const store = sqliteStore(path, { clock: systemClock, warn })
    const { spent } = await store.load('key')
    await store.close()
    // Each may have died before it said its last one.
    expect(spent.calls).toBeGreaterThanOrEqual(said)
    expect(spent.calls).toBeLessThanOrEqual(said + writers.length)
  },
)
