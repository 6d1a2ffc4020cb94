import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { programOf } from '../support/servers.js'

const MODEL = join(import.meta.dirname, 'lease.pml')
const missing = ['spin', 'gcc'].filter((program) => programOf(program) === undefined)
const otherwise = `no ${missing.join(', no ')} (apt-get install spin gcc)`

if (missing.length === 0) {
  holds('two nodes, two faults of any kind', ['N=2', 'FAULTS=2', 'EXTRA=3'], 'all of it is reached')
  holds('two nodes, two rotations, a fault of any kind', ['N=2', 'ROTATIONS=2', 'FAULTS=1', 'EXTRA=3'])
  holds('three nodes, a fault of any kind', ['N=3', 'WARM', 'FAULTS=1', 'EXTRA=3'])
  holds('three nodes, no fault: one fetch a rotation', ['N=3', 'WARM', 'ROTATIONS=2'])
  holds('two nodes, the stable kind', ['N=2', 'STABLE', 'ROTATIONS=2', 'FAULTS=1'])
  holds('two nodes, two that wake up late, no reader helps', ['N=2', 'NOCRASH', 'NOREADERS', 'FAULTS=2'])
  holds('three nodes, one that wakes up late, no reader helps', ['N=3', 'NOCRASH', 'NOREADERS', 'FAULTS=1'])
  holds('two nodes, a failover and a fault', ['N=2', 'WARM', 'FAILOVERS=1', 'FAULTS=1', 'EXTRA=3'])
  holds('two nodes, a failover, the clock goes on', ['N=2', 'CLOCK', 'FAILOVERS=1', 'EXTRA=3'])
  holds('three nodes, a failover', ['N=3', 'WARM', 'FAILOVERS=1', 'EXTRA=3'])
  const empty = ['WARM', 'FAILOVERS=1', 'EXTRA=3', 'EMPTY']
  holds('three nodes, the store comes back empty, the clock goes on', ['N=3', ...empty, 'CLOCK'])
  holds('two nodes, the store is behind, and is offered what was lost', [
    'WARM',
    'FAILOVERS=1',
    'FAULTS=1',
    'EXTRA=3',
    'CLOCK',
    'OFFER',
  ])

  const one = ['WARM', 'PATIENT', 'ONEREFUSED', 'FAILOVERS=1', 'EXTRA=3']
  holds('two nodes, a failover: readers of one token are refused, once', ['N=2', ...one])
  holds('three nodes, a failover: the same, if each retired token had its overlap', ['N=3', ...one, 'EACH'])

  const patient = ['N=3', 'WARM', 'PATIENT', 'NOREFUSAL', 'NOCRASH']
  holds('no reader is refused where the overlap is long and nothing fails', patient)
  holds('no reader is refused if each retired token had its overlap', [...patient, 'EACH', 'FAULTS=1'])
  fails('but only two tokens work: the mend of a late call retires the stored token', 'assert', [
    ...patient,
    'FAULTS=1',
  ])

  fails('without the fence a stale holder writes', 'mine==store.epoch', ['WARM', 'NOFENCE', 'FAULTS=1'])
  fails('without reading again a rotation takes two fetches', 'newest<=', ['WARM', 'NOREREAD'])
  const late = ['WARM', 'NOCRASH', 'NOREADERS', 'FAULTS=1']
  fails('without polls a node whose notice was lost starves', 'acceptance cycle', [...late, 'NOPOLL'])
  fails('if only the stored token is suspect, one that comes after it stays dead', 'acceptance cycle', [
    ...late,
    'FORGETFUL',
  ])
  fails('where neither clock nor nodes remember, an empty store costs more fetches', 'newest<=', [
    ...empty,
    'NOKNOWN',
  ])
  fails('the claim bites: its contrary does not hold', 'acceptance cycle', ['WARM', 'NEVER'])
} else if (process.env.TOKEN_THREAD_REQUIRE_SERVERS === '1') {
  test('this machine has what the model needs', () => {
    throw new Error(otherwise)
  })
} else {
  test.skip(`the lease protocol, as a formal model [skipped: ${otherwise}]`)
}

function holds(name: string, defines: readonly string[], reach?: 'all of it is reached'): void {
  test.concurrent(`holds: ${name}`, async ({ annotate }) => {
    const report = await search(defines)
    await annotate(
      `${/(\d+) states, stored/.exec(report)?.[1]} states, ${/depth reached \d+/.exec(report)?.[0]}`,
    )
    expect(report).toMatch(/State-vector \d+ byte, depth reached \d+, errors: 0\n/)
    expect(report).not.toMatch(/max search depth too small|Search not completed|out of memory|error:/)
    expect(report).toMatch(/never claim\s+\+ \(served\)/)
    expect(report).toMatch(/acceptance\s+cycles\s+\+/)
    expect(report).toMatch(/assertion violations\s+\+/)
    if (reach) expect(unreached(report)).toEqual([])
  })
}

/** `how`: a part of what the checker says of the trail that it found. */
function fails(name: string, how: string, defines: readonly string[]): void {
  test.concurrent(`fails, as it must: ${name}`, async () => {
    const report = await search(defines)
    expect(report).toMatch(/errors: 1\n/)
    expect(/^pan:1: (.*) \(at depth \d+\)$/m.exec(report)?.[1]).toContain(how)
  })
}

/** What the checker says after all runs, or after the first one that is wrong. */
async function search(defines: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'token-thread-model-'))
  try {
    await run(folder, 'spin', ...defines.map((define) => `-D${define}`), '-a', MODEL)
    // No partial-order reduction: every step touches what all share, and the result rests on less.
    await run(folder, 'gcc', '-w', '-O1', '-DNOREDUCE', '-DNOFAIR', '-DMEMLIM=2048', '-o', 'pan', 'pan.c')
    return await run(folder, './pan', '-a', '-m20000')
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function run(cwd: string, program: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { cwd, timeout: 200_000, maxBuffer: 1e8 })
  return stdout
}

/** The steps of the protocol that no run took; the loops have no end. */
function unreached(report: string): string[] {
  const lines = /unreached in proctype refresher\n([^]*?)\nunreached in/.exec(report)?.[1]?.split('\n')
  expect(lines, 'the checker lists what it did not reach').toBeDefined()
  return (lines ?? []).filter((line) => !/-end-|\(\d+ of \d+ states\)$/.test(line)).map((line) => line.trim())
}
