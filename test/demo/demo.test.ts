import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { isRecord } from '../../simulator/checks.js'
import { type Ended, node } from '../packaging/child.js'

const cwd = fileURLToPath(new URL('../../', import.meta.url))

/** `npm run demo`, to its end. Its environment has no WECHAT_ and no VITEST variable but those given. */
const demo = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
  node(['--import', 'tsx', 'demo/main.ts', ...args], { cwd, env })

test('the thread rotates the token, also while the main thread is blocked, and no read stalls', async () => {
  const { exitCode, stdout, stderr } = await demo(['--seconds', '8'])
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  expect(stdout).toMatch(/the main thread is blocked for 2 s/)
  expect(stdout).toMatch(/refreshed all the same: [012]\.\d s into the block a read saw the new token/)
  const last: unknown = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')
  if (!isRecord(last)) throw new Error(`the last line is no JSON object: ${stdout}`)
  const { refreshes, reads, ...wrong } = last
  expect(refreshes).toBeGreaterThanOrEqual(2)
  expect(reads).toBeGreaterThan(50)
  // Each read was one request that was answered well.
  expect(stdout).toContain(`${String(reads)} requests served over ${String(refreshes)} rotations`)
  expect(wrong).toEqual({ stalled: 0, refused: 0, expiredReads: 0 })
})

test.each(['7', '3601', 'ten', ''])('--seconds "%s": told on stderr, exit code 1', async (seconds) => {
  const { exitCode, stdout, stderr } = await demo(['--seconds', seconds])
  expect(stderr).toBe(`--seconds is ${seconds}: give 8 to 3600\n`)
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
})

test.each([
  ['WECHAT_APPID', {}],
  ['WECHAT_APPSECRET', { WECHAT_APPID: 'wx0000000000000001' }],
])('--live without %s: its name on stderr, exit code 1', async (name, env) => {
  const { exitCode, stdout, stderr } = await demo(['--live'], env)
  expect(stderr).toContain(name)
  expect(stderr).not.toContain('    at ')
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' })
})
