import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Clock } from '../../../src/clock.js'
import { hasCode, quietly, syncFolder } from './disk.js'
import { describeOwner, isLeftBehind, isOwnerGone, newOwnerName } from './owner.js'

/** What was just done, or is about to be: for tests that stop or kill a process right there. */
export type Step = 'claiming' | 'locked' | 'writing' | 'written' | 'renaming' | 'renamed'

/** ms; how long a living holder is left alone, before any lease was asked for. */
const DEFAULT_LIMIT = 12_500
/** ms; however short a lease is: a slow disk alone must not look like a stopped process. */
const SHORTEST_LIMIT = 1_000

/** ENOTEMPTY and EEXIST where a folder is in the way; Windows says it in other words. */
const TAKEN =
  process.platform === 'win32' ? ['ENOTEMPTY', 'EEXIST', 'EPERM', 'EACCES'] : ['ENOTEMPTY', 'EEXIST']

/**
 * A lock for one read-modify-write of a file, which is the file to come at the same time: `<file>.lock/<owner>` is what
 * the holder writes to and then renames to `<file>`. So each of these is one step of the file system, and no process
 * can be stopped in the middle of it:
 *
 * - locking: a folder prepared with that file in it is renamed to `<file>.lock`, which only replaces an empty folder;
 * - writing and unlocking: `<file>.lock/<owner>` is renamed to `<file>`;
 * - unlocking without a write, and taking over: that name is removed. A holder that wakes up after it has nothing left
 *   to rename, even if its rename was the next thing to do. Nobody removes a lock that came later: it has another name.
 */
export class FileLock {
  readonly #clock: Clock
  readonly #onStep: (step: Step) => void
  /** The longest lease that was asked for. */
  #longestLease: number | undefined
  /** The last holder that lived, and since when it was seen; monotonic, ms. Kept from one operation to the next. */
  #seen: { readonly lock: string; readonly name: string; readonly since: number } | undefined
  #mayHaveLeftovers = true

  constructor(clock: Clock, onStep: (step: Step) => void) {
    this.#clock = clock
    this.#onStep = onStep
  }

  /** ms; after this a holder that lives is taken for stopped. */
  get limit(): number {
    return Math.max(SHORTEST_LIMIT, this.#longestLease ?? DEFAULT_LIMIT)
  }

  /** Who was in the way last, for an operator. */
  get holder(): string {
    if (!this.#seen) return 'others take it again and again'
    const { lock, name } = this.#seen
    return `${lock} was last held by ${describeOwner(name)}`
  }

  heed(duration: number): void {
    this.#longestLease = Math.max(this.#longestLease ?? 0, duration)
  }

  /**
   * One try, without waiting. `work` may give the file new bytes, once. Undefined: another holds the lock, or took it
   * over before the new bytes were in place; nothing was changed.
   */
  under<T>(file: string, work: (replace: (bytes: Buffer) => void) => T): { readonly value: T } | undefined {
    if (this.#mayHaveLeftovers) this.#sweep(file)
    const lock = lockOf(file)
    if (!this.#isFree(lock)) return undefined
    const name = newOwnerName()
    if (!this.#claim(file, name)) return undefined
    this.#onStep('locked')
    try {
      return { value: work((bytes) => this.#replace(file, name, bytes)) }
    } catch (error) {
      if (error instanceof TakenOver) return undefined
      throw error
    } finally {
      quietly(() => unlinkSync(join(lock, name)))
      quietly(() => rmdirSync(lock))
    }
  }

  /** Removes what a gone or stopped holder left. */
  #isFree(lock: string): boolean {
    for (const name of namesIn(lock)) {
      if (!this.#isStale(lock, name)) return false
      this.#mayHaveLeftovers = true
      remove(join(lock, name))
    }
    // Windows renames no folder over another, be it empty.
    quietly(() => rmdirSync(lock))
    return true
  }

  #isStale(lock: string, name: string): boolean {
    if (isOwnerGone(name)) return true
    const now = this.#clock.monotonic()
    if (this.#seen?.name !== name) this.#seen = { lock, name, since: now }
    return now - this.#seen.since >= this.limit
  }

  #claim(file: string, name: string): boolean {
    const prepared = `${file}.${name}`
    try {
      mkdirSync(prepared, { mode: 0o700 })
      writeFileSync(join(prepared, name), '', { flag: 'wx', mode: 0o600 })
      this.#onStep('claiming')
      renameSync(prepared, lockOf(file))
      return true
    } catch (error) {
      quietly(() => rmSync(prepared, { recursive: true, force: true }))
      // ENOENT: somebody swept what looked left behind, or the folder went.
      if (hasCode(error, ...TAKEN, 'ENOENT')) return false
      throw error
    }
  }

  #replace(file: string, name: string, bytes: Buffer): void {
    const next = join(lockOf(file), name)
    try {
      // Never made here: a holder that slept must not make anew what was taken from it.
      const descriptor = openSync(next, 'r+')
      try {
        this.#onStep('writing')
        writeFileSync(descriptor, bytes)
        this.#onStep('written')
        fsyncSync(descriptor)
      } finally {
        closeSync(descriptor)
      }
      this.#onStep('renaming')
      renameSync(next, file)
    } catch (error) {
      throw hasCode(error, 'ENOENT') ? new TakenOver() : error
    }
    this.#onStep('renamed')
    syncFolder(dirname(file))
  }

  /** What processes left that were killed while they claimed. */
  #sweep(file: string): void {
    this.#mayHaveLeftovers = false
    const folder = dirname(file)
    const prefix = `${basename(file)}.`
    for (const name of namesIn(folder)) {
      if (name.startsWith(prefix) && isLeftBehind(name.slice(prefix.length)))
        quietly(() => rmSync(join(folder, name), { recursive: true, force: true }))
    }
  }
}

class TakenOver extends Error {}

const lockOf = (file: string): string => `${file}.lock`

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}

function remove(file: string): void {
  try {
    unlinkSync(file)
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
  }
}
