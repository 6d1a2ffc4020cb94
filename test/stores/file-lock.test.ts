import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
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

describe.runIf(existsSync(BOOT))('a lock is left alone for as long as a lease', () => {
  const afterLease = async (name: string): Promise<void> => {
    const clock = new VirtualClock()
    const path = locked(name)
    const { store } = opened(path, { clock })
    const acquired = store.acquire('a', WANTED)
    await clock.advance(12_499)
    expect(readdirSync(`${path}.lock`)).toEqual([name])
    await clock.advance(20)
    expect((await acquired).granted).toBe(true)
    expect(readdirSync(dirname(path))).toEqual(['tokens.json'])
  }

  it('of a process that lives', () => afterLease(nameOf({ pid: process.pid })))

  it('of a process in another container, of which nothing is known', () =>
    afterLease(nameOf({ pid: NOBODY, start: '1', space: '1' })))

  it('where its name is none of ours', () => afterLease('.nfs0001'))

  it('and what was waited is not forgotten when the operation is tried anew', async () => {
    const clock = new VirtualClock()
    const { store } = opened(locked(nameOf({ pid: process.pid })), { clock })
    const first = store.acquire('a', WANTED)
    await clock.advance(12_000)
    const second = store.acquire('b', WANTED)
    await clock.advance(520)
    expect([(await first).granted, (await second).granted]).toEqual([true, true])
  })

  it('and no operation waits without end where one holder follows another', async () => {
    const clock = new VirtualClock()
    const name = (i: number): string => nameOf({ pid: process.pid }).replace(/.$/, i.toString(16))
    const path = locked(name(0))
    const { store } = opened(path, { clock })
    const ended = expect(store.acquire('a', WANTED)).rejects.toThrow('was never free')
    for (let i = 1; i < 10; i++) {
      await clock.advance(5_000)
      renameSync(join(`${path}.lock`, name(i - 1)), join(`${path}.lock`, name(i)))
    }
    await ended
  })

  it('and who closes waits no more', async () => {
    const clock = new VirtualClock()
    const { store } = opened(locked(nameOf({ pid: process.pid })), { clock })
    const ended = expect(store.acquire('a', WANTED)).rejects.toThrow('closed')
    await store.close()
    await clock.advance(20)
    await ended
  })
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
