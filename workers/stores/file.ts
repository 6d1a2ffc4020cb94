import { randomInt } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock } from '../../src/clock.js'
import type { Store } from '../../src/store.js'
import { bytesOf, quietly, storeErrorOf, targetOf } from './file/disk.js'
import {
  type Damaged,
  type Document,
  EMPTY_DOCUMENT,
  isDamaged,
  parse,
  recordOf,
  textOf,
  withRecord,
} from './file/document.js'
import { FileLock, type Step } from './file/lock.js'
import { setAside, undoSetAside } from './file/set-aside.js'
import { Watching } from './file/watching.js'
import { type Change, operationsOver } from './record.js'

export interface FileStoreParts {
  readonly clock: Clock
  /** Tells an operator that a damaged file was set aside. */
  readonly warn: (message: string) => void
  readonly onStep?: (step: Step) => void
}

/** ms; a lock is tried again after about half of it. */
const LONGEST_PAUSE = 16
/** ms; beyond the time that a stopped holder is given. */
const PATIENCE = 30_000

/**
 * All accounts of a machine in one JSON file, for any number of processes. It is replaced as a whole, is readable for
 * its owner only, and is at each moment the old one or the new one. A folder that is missing is made; a link is
 * written through. A file that is damaged or another program's is set aside as `<path>.damaged-<time>`, and the store
 * goes on as if empty.
 *
 * - For the processes and containers of one machine. Not supported: a network file system, where a rename may be
 *   answered late or twice, and a folder that virtual machines share.
 * - While one writes, `<path>.lock/` is beside it. Do not remove it by hand: what the dead left is taken over.
 * - Its clock is the machine's wall clock.
 * - It waits for nothing that libuv's pool does: every access is synchronous. Only a lock that another process holds is
 *   waited for, by the clock's timer, which keeps no process alive; after `PATIENCE` the operation fails.
 * - Throws a StoreOperatorError where the file can't be read or written by this user, or is a newer version's.
 */
export function fileStore(path: string, { clock, warn, onStep = () => undefined }: FileStoreParts): Store {
  const lock = new FileLock(clock, onStep)
  const watching = new Watching()
  let isClosed = false
  const now = (): number => Math.floor(clock.now())

  const read = (file: string): Document | Damaged => {
    const bytes = bytesOf(file)
    return bytes ? parse(bytes) : EMPTY_DOCUMENT
  }

  const rewrite = <T>(file: string, key: string, change: Change<T>) =>
    lock.under(file, (replace) => {
      const found = read(file)
      const document = isDamaged(found) ? EMPTY_DOCUMENT : found
      const { record, answer } = change(recordOf(document, key), now())
      const next = record ? withRecord(document, key, record) : document
      if (isDamaged(found)) {
        const aside = setAside(file, now())
        try {
          replace(textOf(next))
        } catch (error) {
          undoSetAside(aside)
          throw error
        }
        return { next, answer, damage: `${found.why} (set aside as ${aside})` }
      }
      if (record) replace(textOf(next))
      return { next, answer, damage: undefined }
    })

  /** One try; undefined: the lock was not to be had. */
  const attempt = <T>(key: string, change: Change<T>): { readonly answer: T } | undefined => {
    try {
      const file = targetOf(path)
      const found = read(file)
      if (!isDamaged(found)) {
        const { record, answer } = change(recordOf(found, key), now())
        // What is refused or only read needs no lock: each moment of the file is a whole one.
        if (!record) return { answer }
      }
      makeFolder(file)
      const done = rewrite(file, key, change)?.value
      if (!done) return undefined
      const { next, damage } = done
      if (damage) warn(`the file store ${path} begins anew, its file was damaged: ${damage}`)
      watching.look(next)
      return done
    } catch (error) {
      throw storeErrorOf(path, error)
    }
  }

  const update = async <T>(key: string, change: Change<T>): Promise<T> => {
    const end = clock.monotonic() + lock.limit + PATIENCE
    for (;;) {
      if (isClosed) throw new Error('the file store was closed')
      const done = attempt(key, change)
      if (done) return done.answer
      if (clock.monotonic() >= end) throw new Error(`the lock of the file store ${path} was never free`)
      await new Promise<void>((resolve) => clock.timer(randomInt(1, LONGEST_PAUSE), resolve))
    }
  }

  const operations = operationsOver(update)
  return {
    pollEvery: 1_000,
    ...operations,
    acquire: (key, wanted) => {
      lock.heed(wanted.duration)
      return operations.acquire(key, wanted)
    },
    watch: (onNotice) => {
      let file = path
      quietly(() => {
        file = targetOf(path)
        makeFolder(file)
      })
      return watching.watch(file, () => read(file), onNotice)
    },
    close: () => {
      isClosed = true
      watching.close()
    },
  }
}

/** Several processes may do so at once. */
function makeFolder(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
}
