import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isUsageError } from '../../cli/usage.js'
import { MODES, readOptions } from '../../load-test/options.js'

const cwd = tmpdir()

test('the defaults', () => {
  expect(readOptions([], cwd)).toEqual({
    seconds: 12,
    connections: 200,
    modes: MODES,
    rounds: 3,
    out: join(cwd, 'load-test-report.html'),
    json: false,
  })
})

test('all of them given', () => {
  const args = [
    '--seconds',
    '1.5',
    '--connections',
    '20',
    '--modes',
    'lazy, thread',
    '--rounds',
    '1',
    '--out',
    'r.html',
    '--json',
  ]
  expect(readOptions(args, cwd)).toEqual({
    seconds: 1.5,
    connections: 20,
    modes: ['lazy', 'thread'],
    rounds: 1,
    out: join(cwd, 'r.html'),
    json: true,
  })
})

test.each([
  [['--seconds', '0.9'], '--seconds', 'from 1 to 3600'],
  [['--seconds', '3601'], '--seconds', 'from 1 to 3600'],
  [['--seconds', ''], '--seconds', 'from 1 to 3600'],
  [['--seconds', '1', '--rounds', '6'], '--seconds', 'fewer rounds'],
  [['--connections', '0'], '--connections', 'from 1 to 2000'],
  [['--connections', '2001'], '--connections', 'from 1 to 2000'],
  [['--connections', '1.5'], '--connections', 'whole number'],
  [['--rounds', 'two'], '--rounds', 'from 1 to 100'],
  [['--modes', 'thread,quartz'], `--modes has 'quartz'`, 'thread,timer,cron,lazy,constant'],
  [['--modes', ''], '--modes', 'thread,timer,cron,lazy,constant'],
  [['--modes', 'thread,lazy,thread'], `--modes has 'thread' twice`, 'once'],
  [['--out', ''], '--out', 'load-test-report.html'],
  [['--out', tmpdir()], '--out', 'give a file in it'],
  [['--out', join(tmpdir(), 'there-is-none', 'r.html')], '--out', 'create'],
  [['--mode', 'thread'], '--mode', 'Unknown option'],
])('%j: an error that names the option and the mend', (args, name, mend) => {
  let told: unknown
  try {
    readOptions(args, cwd)
  } catch (error) {
    told = error
  }
  if (!isUsageError(told)) throw new Error(`not a usage error: ${String(told)}`)
  expect(told.message).toContain(name)
  expect(told.message).toContain(mend)
})
