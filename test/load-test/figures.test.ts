import { expect, test } from 'vitest'
import { aims } from '../../load-test/aims.js'
import { type Figures, figuresOf, type FinishedRun, type ModeFigures } from '../../load-test/figures.js'
import { requestMix } from '../../load-test/mix.js'
import type { Mode } from '../../load-test/options.js'
import { Progress } from '../../load-test/progress.js'
import { percentile, timeline } from '../../load-test/samples.js'
import { plan } from '../../load-test/schedule.js'
import { textTable } from '../../load-test/table.js'

test('a percentile is the smallest value that so many do not pass', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1)
  expect([0, 0.5, 0.99, 0.999, 1].map((p) => percentile(hundred, p))).toEqual([1, 50, 99, 100, 100])
  expect(percentile([7], 0.5)).toBe(7)
  expect(percentile([], 0.5)).toBeNaN()
})

test('latency over time: each answer in its step, a step without one has none', () => {
  const samples = { ms: 250, endedAt: [0, 99, 100, 240], latency: [10, 30, 5, 8] }
  expect(timeline(samples, 100)).toEqual([
    { from: 0, to: 100, answers: 2, p50: 10, p99: 30 },
    { from: 100, to: 200, answers: 1, p50: 5, p99: 5 },
    { from: 200, to: 250, answers: 1, p50: 8, p99: 8 },
  ])
  expect(timeline({ ms: 200, endedAt: [150], latency: [3] }, 100)[0]).toMatchObject({
    answers: 0,
    p50: undefined,
  })
})

test('modes alternate; constant runs first and last in each round; each other mode is first once', () => {
  const runs = plan(['thread', 'lazy', 'constant'], 2)
  expect(runs.map(({ mode, round, again }) => `${round} ${mode}${again ? ' again' : ''}`)).toEqual([
    ...['0 constant', '0 thread', '0 lazy', '0 constant again'],
    ...['1 constant', '1 lazy', '1 thread', '1 constant again'],
  ])
  expect(plan(['constant'], 1).map(({ again }) => again)).toEqual([false, true])
  expect(plan(['timer'], 2)).toHaveLength(2)
})

function finished(
  mode: Mode,
  latency: number[],
  more: { round?: number; again?: boolean } = {},
): FinishedRun {
  const { round = 0, again = false } = more
  const samples = { ms: 500, endedAt: latency.map(() => 1), latency }
  const result = { mode, samples, waited: 2, refused: 3, fetches: 4, rotations: [1, 2, 3], errors: [] }
  return { mode, round, again, result }
}

test('the figures of a mode are those of all its rounds together', () => {
  const runs = [
    finished('constant', [1, 1]),
    finished('thread', [10, 30]),
    finished('constant', [1], { again: true }),
    finished('thread', [20], { round: 1 }),
  ]
  const { modes, noise } = figuresOf(runs, ['thread', 'constant'])
  expect(modes[0]).toEqual({
    ...{ mode: 'thread', rps: 3, p50: 20, p99: 30, p999: 30, max: 30 },
    ...{ waited: 4, refused: 6, fetches: 8, rotations: 6 },
  })
  expect(modes[1]?.rps).toBe(3)
  // 4/s and 2/s are 2 apart, of a mean of 3; the latencies are the same.
  expect(noise).toEqual({ rps: 0.6667, p999: 0 })
  expect(figuresOf(runs, ['thread']).noise).toBeNull()
})

const figures = (mode: Mode, more: Partial<ModeFigures> = {}): ModeFigures => ({
  ...{ mode, rps: 1000, p50: 1, p99: 2, p999: 100, max: 4, waited: 0, refused: 0, fetches: 5, rotations: 5 },
  ...more,
})
const met = (thread: Partial<ModeFigures>, noise: Figures['noise'] = { rps: 0.01, p999: 0.1 }): boolean[] =>
  aims({ modes: [figures('thread', thread), figures('constant')], noise }).map((aim) => aim.met)

test('each aim is judged by itself, against the limit and the noise', () => {
  expect(met({})).toEqual([true, true, true, true, true])
  expect(met({ rps: 971, p999: 114 })).toEqual([true, true, true, true, true])
  expect(met({ rps: 969 })).toEqual([false, true, true, true, true])
  expect(met({ p999: 116 })).toEqual([true, false, true, true, true])
  expect(met({ waited: 1 })).toEqual([true, true, false, true, true])
  expect(met({ refused: 1 })).toEqual([true, true, true, false, true])
  expect(met({ fetches: 6 })).toEqual([true, true, true, true, false])
})

test('without constant, only what can be judged is; without thread, nothing', () => {
  expect(aims({ modes: [figures('thread')], noise: null })).toHaveLength(3)
  expect(aims({ modes: [figures('lazy'), figures('constant')], noise: { rps: 0, p999: 0 } })).toEqual([])
})

test('the table’s columns stand under their titles', () => {
  const [head, first, second] = textTable([figures('thread'), figures('constant', { rps: 12345.6 })]).split(
    '\n',
  )
  expect(head).toMatch(
    /^mode {6}requests\/s {2}p50 ms {2}p99 ms {2}p99\.9 ms {2}max ms {2}waited {2}refused {2}fetches {2}rotations$/,
  )
  expect(first).toMatch(/^thread {8}1000\.0 /)
  expect(second).toMatch(/^constant {5}12345\.6 /)
  expect(new Set([head, first, second].map((line) => line?.length)).size).toBe(1)
})

test('the clients’ lists: each kind in its share, whichever place in its list a connection begins', () => {
  const requests = requestMix('wx1').flat()
  const share = (path: RegExp): number =>
    requests.filter((one) => path.test(one.path ?? '')).length / requests.length
  expect([/^\/report/, /^\/message/, /^\/page/, /^\/$/].map(share)).toEqual([0.01, 0.1, 0.09, 0.8])
})

test('progress: one changing line on a terminal, a line for each run elsewhere', () => {
  const written = (isTTY: boolean): string => {
    let text = ''
    const progress = new Progress({ isTTY, write: (more) => (text += more) }, 2, 1)
    progress.begin({ mode: 'thread', round: 0, again: false })
    progress.update(1234.4)
    progress.clear()
    return text
  }
  expect(written(false)).toBe('[1/2] round 1 of 1: thread\n')
  expect(written(true)).toContain('[1/2] round 1 of 1: thread, 1234 requests/s')
  expect(written(true)).not.toContain('\n')
})
