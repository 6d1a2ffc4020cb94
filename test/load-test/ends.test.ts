import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { cleanUp } from '../support/cleanup.js'
import { figuresIn, loadTest } from './program.js'

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'load-test-'))
  cleanUp(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

test('a timer and a cron job keep the token, too; without constant there is no noise to judge against', async () => {
  const out = join(temporary(), 'report.html')
  const args = ['--seconds', '1', '--rounds', '1', '--connections', '20', '--modes', 'cron,timer']
  const { code, stdout } = await loadTest([...args, '--out', out, '--json']).ended
  expect(code).toBe(0)
  const { modes, noise } = figuresIn(stdout)
  expect(noise).toBeNull()
  expect(modes.map(({ mode }) => mode)).toEqual(['cron', 'timer'])
  for (const { rps, fetches, rotations } of modes) {
    expect(rps).toBeGreaterThan(0)
    expect(fetches).toBeGreaterThanOrEqual(Number(rotations))
  }
  expect(readFileSync(out, 'utf8')).toContain('Latency over time: cron')
})

test('a bad option: told on stderr with the way to the help, exit code 2', async () => {
  const { code, stdout, stderr } = await loadTest(['--rounds', 'many']).ended
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toBe(
    "--rounds is 'many': give a number from 1 to 100\n\nnpm run load-test -- --help lists the options.\n",
  )
})

test('--help names each option', async () => {
  const { code, stdout } = await loadTest(['--help']).ended
  expect(code).toBe(0)
  for (const name of ['seconds', 'connections', 'modes', 'rounds', 'out', 'json'])
    expect(stdout).toContain(`--${name}`)
})

test.skipIf(process.platform !== 'linux')(
  'Ctrl-C ends it and all that it started (reads /proc)',
  async () => {
    const running = loadTest(['--connections', '20', '--out', join(temporary(), 'report.html')])
    await running.says('[1/')
    const pid = String(running.child.pid)
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)
    expect(children.length).toBeGreaterThanOrEqual(1)
    running.child.kill('SIGINT')
    const { code, stdout, stderr } = await running.ended
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' })
    expect(stderr).toContain('interrupted: nothing is written')
    for (const child of children) expect(() => process.kill(child, 0)).toThrow('ESRCH')
  },
)
