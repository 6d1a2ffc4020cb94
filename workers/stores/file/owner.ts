import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, readlinkSync } from 'node:fs'
import { hasCode } from './disk.js'

/**
 * Who made a lock or a temporary file, told by its name. Linux shows each thread's start, so that a number given out
 * again, a terminated worker and a reboot are all seen. Elsewhere only the process's number is known: a number given
 * out again passes for the owner until its time is over.
 */
interface Owner {
  readonly pid: number
  readonly thread: number
  /** In clock ticks since boot; 0: not known. */
  readonly start: number
  /** Changes with each boot; 0: not known. */
  readonly boot: string
  /** The namespace in which `pid` is a number: containers that share a folder count on their own. 0: not known. */
  readonly space: string
}

/** A name that no other has, of the calling thread. */
export function newOwnerName(): string {
  const { pid, thread, start, boot, space } = thisThread()
  return [pid, thread, start, boot, space, randomBytes(8).toString('hex')].join('-')
}

/** Certainly: it never says so of one that lives. Undefined: the name is none of ours. */
export function isOwnerGone(name: string): boolean | undefined {
  const owner = ownerIn(name)
  return owner && isGone(owner, thisThread())
}

/** Very likely: where that is wrong, its owner only has to begin anew. */
export function isLeftBehind(name: string): boolean {
  const owner = ownerIn(name)
  return owner !== undefined && (owner.boot !== thisThread().boot || isGone(owner, thisThread()))
}

/** For an operator. */
export function describeOwner(name: string): string {
  const owner = ownerIn(name)
  if (!owner) return `somebody unknown (${name})`
  return `process ${owner.pid}${owner.space === thisThread().space ? '' : ' of another container'}`
}

function isGone(owner: Owner, self: Owner): boolean {
  // First: a system container (LXC, nspawn) may show a boot of its own.
  if (owner.space !== self.space) return false
  if (owner.boot !== self.boot) return true
  if (!isProcess(owner.pid)) return true
  if (owner.start === 0) return false
  const stat = statOf(owner.pid, owner.thread)
  // A system may hide the processes of others: that one lives. One that is shown without this thread lost it.
  if (!stat) return existsSync(`/proc/${owner.pid}`)
  return stat.isDead || stat.start !== owner.start
}

const NAME = /^(\d+)-(\d+)-(\d+)-([0-9a-f]+)-(\d+)-[0-9a-f]{16}$/

function ownerIn(name: string): Owner | undefined {
  const [, pid, thread, start, boot, space] = NAME.exec(name) ?? []
  if (boot === undefined || space === undefined) return undefined
  return { pid: Number(pid), thread: Number(thread), start: Number(start), boot, space }
}

let self: Owner | undefined

function thisThread(): Owner {
  self ??= describeThisThread()
  return self
}

function describeThisThread(): Owner {
  const [pid, , thread] = (read(() => readlinkSync('/proc/thread-self')) ?? '').split('/').map(Number)
  const stat = pid === process.pid && thread !== undefined ? statOf(pid, thread) : undefined
  return {
    pid: process.pid,
    thread: stat ? (thread ?? 0) : 0,
    start: stat?.start ?? 0,
    boot: digits(
      read(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
      /[0-9a-f]+/,
    ),
    space: digits(
      read(() => readlinkSync('/proc/self/ns/pid')),
      /\d+/,
    ),
  }
}

/** Field 22, and whether it is a zombie: killed, but its parent has not looked yet. */
function statOf(
  pid: number,
  thread: number,
): { readonly start: number; readonly isDead: boolean } | undefined {
  const text = read(() => readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'))
  if (text === undefined) return undefined
  // The second field is the thread's name in parentheses, which may hold blanks and parentheses of its own.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { start: Number(fields[19]), isDead: fields[0] === 'Z' || fields[0] === 'X' }
}

function isProcess(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !hasCode(error, 'ESRCH')
  }
}

function read(run: () => string): string | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}

function digits(text: string | undefined, wanted: RegExp): string {
  return (text && wanted.exec(text)?.[0]) ?? '0'
}
