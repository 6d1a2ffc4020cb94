import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { numbered } from '../fixtures/file-plan.js'
import { buildProgram, countingClock, type FileProcess, folder, opened } from '../fixtures/file-processes.js'

const { start, remove } = buildProgram()
afterAll(remove)

/** `npm run proof` asks for 1,000. */
const KILL_POINTS = Number(process.env.KILL_POINTS ?? 50)
const KEY = 'a'

/** The number behind the last line that begins so; 0: there is none. */
function last(child: FileProcess, start: string): number {
  return Number(child.lines.findLast((line) => line.startsWith(start))?.split(' ')[1] ?? 0)
}

/** The record is the old one or the new one, and who comes next works at once: nobody waits for the dead. */
async function expectGood(path: string, child: FileProcess, before: number): Promise<number> {
  const done = last(child, 'true') || before
  const begun = last(child, 'start') || done
  const text = readFileSync(path, 'utf8')
  const generation = /"generation":(\d+)/.exec(text)?.[1]
  expect([String(done), String(begun)]).toContain(generation ?? '0')
  const clock = countingClock()
  const { store, warnings } = opened(path, { clock })
  const { token } = await store.load(KEY)
  expect(token?.accessToken).toBe(token && numbered(token.generation).accessToken)
  const { stored, granted } = await store.acquire('b', { duration: 60_000, known: 0 })
  expect([granted, clock.waits(), warnings]).toEqual([true, 0, []])
  await store.release('b', stored.epoch)
  expect(readdirSync(dirname(path))).toEqual(['tokens.json'])
  await store.close()
  return token?.generation ?? 0
}

describe('a process that is killed while it writes', () => {
  for (const pauseAt of ['claiming', 'locked', 'writing', 'written', 'renaming', 'renamed']) {
    it(`leaves the old record or the new one (killed at: ${pauseAt})`, async () => {
      const path = join(folder(), 'tokens.json')
      const child = start({ path, do: 'publish', times: 9, key: KEY, pauseAt, pauseIn: 4 })
      await child.line('up')
      child.go()
      await child.line('at')
      await child.kill()
      const kept = await expectGood(path, child, 0)
      expect(kept === last(child, 'start')).toBe(pauseAt === 'renamed')
    })
  }

  it(
    `leaves the old record or the new one (${KILL_POINTS} random points)`,
    async () => {
      const path = join(folder(), 'tokens.json')
      const next = (): FileProcess => start({ path, do: 'publish', times: 1_000_000, key: KEY })
      let ready = next()
      let before = 0
      for (let i = 0; i < KILL_POINTS; i++) {
        const child = ready
        ready = next()
        await child.line('up')
        child.go()
        await child.line('start')
        // Which point it is, and nothing else.
        await sleep(Math.random() * 20)
        await child.kill()
        before = await expectGood(path, child, before)
      }
    },
    60_000 + KILL_POINTS * 2_000,
  )
})
