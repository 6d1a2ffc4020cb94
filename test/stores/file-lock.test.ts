import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import type { Store } from '../../src/store.js'
import { countingClock, folder, opened } from '../fixtures/file-processes.js'
import { cleanUp } from '../support/cleanup.js'
import { VirtualClock } from '../support/virtual-clock.js'

const WANTED = { duration: 12_500, known: 0 }
const BOOT = '/proc/sys/kernel/random/boot_id'

/** A lock's name, of this boot and these processes unless said otherwise. */
function nameOf(owner: {
  readonly pid: number
  readonly thread?: number
  readonly start?: string
  readonly boot?: string
  readonly space?: string
}): string {
  const {
    pid,
    thread = pid,
    start = startOf(pid),
    boot = /[0-9a-f]+/.exec(readFileSync(BOOT, 'utf8'))?.[0] ?? '',
    space = /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '',
  } = owner
  return [pid, thread, start, boot, space, '0123456789abcdef'].join('-')
}

function startOf(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[19] ?? ''
}

function locked(name: string): string {
  const path = join(folder(), 'tokens.json')
  mkdirSync(`${path}.lock`)
  writeFileSync(join(`${path}.lock`, name), '')
  return path
}

/** There is no process and no thread of this number: Linux counts to 4_194_304. */
const NOBODY = 4_194_305

describe.runIf(existsSync(BOOT))('a lock is taken over at once', () => {
  const atOnce = async (name: string): Promise<void> => {
    const clock = countingClock()
    const { store } = opened(locked(name), { clock })
    expect((await store.acquire('a', WANTED)).granted).toBe(true)
    expect(clock.waits()).toBe(0)
  }

  it('of a process whose number was given out again', () => atOnce(nameOf({ pid: process.pid, start: '1' })))

  it('of a thread that ended, while its process lives', () =>
    atOnce(nameOf({ pid: process.pid, thread: NOBODY })))

  it('of a process that is gone', () => atOnce(nameOf({ pid: NOBODY, start: '1' })))

  it('of another boot', () => atOnce(nameOf({ pid: process.pid, boot: '0a0b' })))

  it('of a dead process that nobody buried', async () => {
    // The shell becomes a sleeper, which looks after no children; then its child ends.
    const child = spawn('sh', ['-c', 'exec 3<&0; cat <&3 >/dev/null & echo $!; exec sleep 600'], {
      stdio: 'pipe',
    })
    cleanUp(() => child.kill('SIGKILL'))
    const heard: unknown[] = await once(child.stdout, 'data')
    const pid = Number(String(heard[0]))
    const seen = (file: string, part: string) =>
      vi.waitFor(() => expect(readFileSync(file, 'utf8')).toContain(part), { timeout: 10_000 })
    await seen(`/proc/${child.pid ?? 0}/comm`, 'sleep')
    child.stdin.end()
    await seen(`/proc/${pid}/stat`, ') Z ')
    await atOnce(nameOf({ pid }))
  })
})

/** ms for which an operation tries. */
const TRIED = 4_500
/** ms until the next try, at the most. */
const PAUSE = 20

/** An operation that is given up. */
async function refused(store: Store, clock: VirtualClock, why: string): Promise<void> {
  const ended = expect(store.acquire('a', WANTED)).rejects.toThrow(why)
  await clock.advance(TRIED + PAUSE)
  await ended
}

describe.runIf(existsSync(BOOT))('a lock is left alone for as long as a lease', () => {
  const afterLease = async (name: string): Promise<void> => {
    const clock = new VirtualClock()
    const path = locked(name)
    const { store } = opened(path, { clock })
    await refused(store, clock, `${path}.lock`)
    await refused(store, clock, `${path}.lock`)
    const acquired = store.acquire('a', WANTED)
    await clock.advance(12_499 - 2 * (TRIED + PAUSE))
    expect(readdirSync(`${path}.lock`)).toEqual([name])
    await clock.advance(PAUSE)
    expect((await acquired).granted).toBe(true)
    expect(readdirSync(dirname(path))).toEqual(['tokens.json'])
  }

  it('of a process that lives', () => afterLease(nameOf({ pid: process.pid })))

  it('of a process in another container, of which nothing is known', () =>
    afterLease(nameOf({ pid: NOBODY, start: '1', space: '1' })))

  it('of a process in a system container that shows a boot of its own', () =>
    afterLease(nameOf({ pid: NOBODY, start: '1', space: '1', boot: '0a0b' })))

  it('where its name is none of ours', () => afterLease('.nfs0001'))

  it('and all who wait for it go on together', async () => {
    const clock = new VirtualClock()
    const { store } = opened(locked(nameOf({ pid: process.pid })), { clock, operationTimeout: 20_000 })
    const first = store.acquire('a', WANTED)
    await clock.advance(12_000)
    const second = store.acquire('b', WANTED)
    await clock.advance(500 + PAUSE)
    expect([(await first).granted, (await second).granted]).toEqual([true, true])
  })

  it('and who reads, or is refused, does not wait for it', async () => {
    const clock = new VirtualClock()
    const path = locked(nameOf({ pid: process.pid }))
    const { store } = opened(path, { clock })
    const waiting = expect(store.acquire('a', WANTED)).rejects.toThrow('not free')
    expect([(await store.load('a')).epoch, await store.release('a', 1)]).toEqual([0, false])
    await clock.advance(TRIED + PAUSE)
    await waiting
  })

  it('and who waited in vain hears whose it is', async () => {
    const mine = nameOf({ pid: process.pid })
    for (const [name, who] of [
      [mine, `process ${process.pid}`],
      [nameOf({ pid: 17, start: '1', space: '1' }), 'process 17 of another container'],
      ['.nfs0001', '.nfs0001'],
    ] as const) {
      const clock = new VirtualClock()
      await refused(opened(locked(name), { clock }).store, clock, `tokens.json.lock was last held by`)
      await refused(opened(locked(name), { clock }).store, clock, who)
    }
  })

  it('and no operation waits without end where one holder follows another', async () => {
    const clock = new VirtualClock()
    const name = (i: number): string => nameOf({ pid: process.pid }).replace(/.$/, i.toString(16))
    const path = locked(name(0))
    const { store } = opened(path, { clock })
    const ended = expect(store.acquire('a', WANTED)).rejects.toThrow('was not free')
    for (let i = 1; i < 6; i++) {
      await clock.advance(1_000)
      renameSync(join(`${path}.lock`, name(i - 1)), join(`${path}.lock`, name(i)))
    }
    await ended
  })

  it('and an operation that is given up does not take a lease later, when its process wakes up', async () => {
    const clock = new VirtualClock()
    const path = locked(nameOf({ pid: process.pid }))
    const { store } = opened(path, { clock })
    const ended = expect(store.acquire('a', WANTED)).rejects.toThrow('was not free')
    clock.block(60_000)
    rmSync(`${path}.lock`, { recursive: true })
    await clock.advance(PAUSE)
    await ended
    expect((await store.load('a')).epoch).toBe(0)
  })

  it('and who closes waits no more', async () => {
    const clock = new VirtualClock()
    const { store } = opened(locked(nameOf({ pid: process.pid })), { clock })
    const ended = expect(store.acquire('a', WANTED)).rejects.toThrow('closed')
    await store.close()
    await ended
    await expect(store.load('a')).rejects.toThrow('closed')
    expect(clock.timers).toBe(0)
  })
})

it('whose claim is swept away begins anew', async () => {
  const path = join(folder(), 'tokens.json')
  let claims = 0
  const onStep = (step: string): void => {
    if (step !== 'claiming' || (claims += 1) > 1) return
    for (const name of readdirSync(dirname(path))) rmSync(join(dirname(path), name), { recursive: true })
  }
  const { store } = opened(path, { onStep })
  expect((await store.acquire('a', WANTED)).granted).toBe(true)
  expect(claims).toBe(2)
})

it('what a process left that died while it claimed is removed, and nothing that is another’s', async () => {
  const path = join(folder(), 'tokens.json')
  const left = `${NOBODY}-${NOBODY}-1-0a0b-1-0123456789abcdef`
  mkdirSync(`${path}.${left}`)
  writeFileSync(join(`${path}.${left}`, left), 'half')
  const kept = ['tokens.json.bak', `other.json.${left}`]
  for (const name of kept) writeFileSync(join(dirname(path), name), '')
  await opened(path).store.acquire('a', WANTED)
  expect(readdirSync(dirname(path)).sort()).toEqual([...kept, 'tokens.json'].sort())
})
