import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Browser, chromium } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isRecord } from '../../simulator/checks.js'
import { COLUMNS } from '../../load-test/table.js'
import { type Ended, figuresIn, loadTest } from './program.js'

const folder = mkdtempSync(join(tmpdir(), 'load-test-'))
const out = join(folder, 'report.html')
let ended: Ended

beforeAll(async () => {
  const args = ['--seconds', '4', '--rounds', '1', '--connections', '20', '--modes', 'thread,lazy,constant']
  ended = await loadTest([...args, '--out', out, '--json']).ended
}, 120_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

const FIELDS = ['mode', 'rps', 'p50', 'p99', 'p999', 'max', 'waited', 'refused', 'fetches', 'rotations']

test('it ends well, and its last line is the figures', () => {
  expect(ended.code).toBe(0)
  const { modes, noise } = figuresIn(ended.stdout)
  expect(modes.map(({ mode }) => mode)).toEqual(['thread', 'lazy', 'constant'])
  for (const figures of modes) {
    expect(Object.keys(figures)).toEqual(FIELDS)
    const { rps, p50, p99, p999, max } = figures
    expect(rps).toBeGreaterThan(0)
    expect([p50, p99, p999, max].map(Number)).toEqual([p50, p99, p999, max].map(Number).sort((a, b) => a - b))
  }
  if (!isRecord(noise)) throw new Error('no noise')
  expect(Object.keys(noise)).toEqual(['rps', 'p999'])
  for (const spread of Object.values(noise)) expect(spread).toBeGreaterThanOrEqual(0)
})

test('with the thread no request waited and none was refused; each rotation was one token call', () => {
  const [thread] = figuresIn(ended.stdout).modes
  expect(thread).toMatchObject({ waited: 0, refused: 0 })
  expect(thread?.rotations).toBeGreaterThanOrEqual(1)
  expect(thread?.fetches).toBe(thread?.rotations)
})

test('what fetches when it needs to, once for all, lets requests wait; what never changes fetches nothing', () => {
  const [, lazy, constant] = figuresIn(ended.stdout).modes
  expect(lazy?.fetches).toBeGreaterThanOrEqual(1)
  expect(lazy?.fetches).toBe(lazy?.rotations)
  expect(lazy?.waited).toBeGreaterThanOrEqual(1)
  expect(constant).toMatchObject({ waited: 0, refused: 0, fetches: 0, rotations: 0 })
})

test('no request failed, and constant ran twice', () => {
  expect(ended.stderr.trimEnd().split('\n')).toEqual([
    'warm-up, then 4 runs of 4.0 s',
    '[1/4] round 1 of 1: constant',
    '[2/4] round 1 of 1: thread',
    '[3/4] round 1 of 1: lazy',
    '[4/4] round 1 of 1: constant',
  ])
})

test('the noise and each aim are printed, and where the report is', () => {
  expect(ended.stdout).toContain('noise: the two halves of constant are')
  expect(ended.stdout.match(/^(met {3}|MISSED) {2}/gm)).toHaveLength(5)
  expect(ended.stdout).toContain(`report: ${out}`)
})

test('neither token nor secret is in the report or the output', () => {
  const all = [readFileSync(out, 'utf8'), ended.stdout, ended.stderr].join('\n')
  expect(all).not.toMatch(/secret-\d|[A-Za-z0-9_-]{100}/)
})

const CHROMIUM = '/usr/bin/chromium'
const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync'],
]
const required = process.env.TOKEN_THREAD_REQUIRE_BROWSER === '1'

const IN_BROWSER = 'the report in a real browser (needs chromium)'
const skipped = !existsSync(CHROMIUM) && !required
// Vitest only counts what is skipped: this says which.
if (skipped) process.stderr.write(`SKIPPED: ${IN_BROWSER}: ${CHROMIUM} is not there\n`)

test.skipIf(skipped)(IN_BROWSER, async () => {
  const browser: Browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS })
  try {
    const page = await browser.newPage({ colorScheme: 'light' })
    const requests: string[] = []
    const complaints: string[] = []
    page.on('request', (request) => requests.push(request.url()))
    page.on('console', (message) => complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(error.message))
    const url = pathToFileURL(out).href
    await page.goto(url)
    expect(requests).toEqual([url])

    const { modes } = figuresIn(ended.stdout)
    const cells = await Promise.all(
      (await page.locator('table tr').all()).map((row) => row.locator('th, td').allTextContents()),
    )
    const [titles = [], ...rows] = cells
    expect(titles).toEqual(COLUMNS.map(({ title }) => title))
    const shown = rows.map(([mode, ...figures]) => [mode, ...figures.map(Number)])
    expect(shown).toEqual(modes.map((figures) => FIELDS.map((field) => figures[field])))

    expect(await page.getByRole('img').count()).toBe(1 + modes.length)
    expect(await page.getByRole('img', { name: 'Latency of each mode' }).locator('circle').count()).toBe(
      4 * modes.length,
    )
    for (const { mode, rotations } of modes) {
      const chart = page.getByRole('img', { name: `Latency over time: ${String(mode)}` })
      const box = await chart.locator('path.line.p99').boundingBox()
      expect(box?.width).toBeGreaterThan(300)
      expect(await chart.locator('line.rotation').count()).toBe(rotations)
      expect(await chart.locator('desc').textContent()).toContain(`${String(rotations)} rotations`)
    }

    const ink = (): Promise<string> => page.evaluate('getComputedStyle(document.body).color')
    const light = await ink()
    await page.emulateMedia({ colorScheme: 'dark' })
    expect(await ink()).not.toBe(light)
    expect({ complaints, requests }).toEqual({ complaints: [], requests: [url] })
  } finally {
    await browser.close()
  }
})
