import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock } from '../../src/clock.js'
import type { Store } from '../../src/store.js'
import { Contents } from './file/contents.js'
import { quietly, storeErrorOf, targetOf } from './file/disk.js'
import { EMPTY_DOCUMENT, isDamaged, recordOf, textOf } from './file/document.js'
import { FileLock, type Step } from './file/lock.js'
import { setAside } from './file/set-aside.js'
import { changedBy, type Task, taskOf, Tasks } from './file/tasks.js'
import { Watching } from './file/watching.js'
import { type Change, operationsOver } from './record.js'

export interface FileStoreParts {
  readonly clock: Clock
  /** Tells an operator that a damaged file was set aside. */
  readonly warn: (message: string) => void
  readonly onStep?: (step: Step) => void
  /** ms that an operation waits for the lock. */
  readonly operationTimeout?: number
}

/** ms; a little less than whoever asks waits at the most, so that he hears why. */
const OPERATION_TIMEOUT = 4_500

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
 *   waited for, by the clock's timer, which keeps no process alive; after `operationTimeout` the operation fails. A
 *   stopped holder may be given longer than that: its time goes on from one operation to the next.
 * - Many accounts cost what one does, and a little: the file is read once for each time that it was written, one watch
 *   serves all, and what is wanted at the same time is one write.
 * - Throws a StoreOperatorError where the file can't be read or written by this user, or is a newer version's.
 */
export function fileStore(path: string, parts: FileStoreParts): Store {
  const { clock, warn, onStep = () => undefined, operationTimeout = OPERATION_TIMEOUT } = parts
  const now = (): number => Math.floor(clock.now())
  const lock = new FileLock(clock, onStep)
  const contents = new Contents(now)
  const watching = new Watching((file) => contents.read(file))
  let isClosed = false

  /** Undefined: the lock was not to be had. */
  const rewrite = (file: string, tasks: readonly Task[]) =>
    lock.under(file, (replace) => {
      const found = contents.readBytes(file)
      const before = isDamaged(found) ? EMPTY_DOCUMENT : found
      const { next, outcomes } = changedBy(tasks, before, now())
      const put = (): void => {
        const bytes = Buffer.from(textOf(next))
        replace(bytes)
        contents.wrote(bytes, next)
      }
      if (!isDamaged(found)) {
        if (next !== before) put()
        return { next, outcomes, damage: undefined }
      }
      const aside = setAside(file, now())
      try {
        put()
      } catch (error) {
        aside.undo()
        throw error
      }
      return { next, outcomes, damage: `${found.why} (set aside as ${aside.name})` }
    })

  /** What is refused or only read needs no lock: each moment of the file is a whole one. The rest is given back. */
  const answer = (file: string, tasks: readonly Task[]): readonly Task[] => {
    const found = contents.read(file)
    if (isDamaged(found)) return tasks
    return tasks.filter(({ key, run }) => {
      const { record, done } = run(recordOf(found, key), now())
      if (!record) done()
      return record !== undefined
    })
  }

  /** Who was answered before it failed does not hear of that. */
  const orFail = (tasks: readonly Task[], work: () => readonly Task[]): readonly Task[] => {
    try {
      return work()
    } catch (error) {
      for (const { fail } of tasks) fail(storeErrorOf(path, error))
      return []
    }
  }

  const tasks = new Tasks({
    clock,
    answer: (tasks) => orFail(tasks, () => answer(targetOf(path), tasks)),
    attempt: (tasks) =>
      orFail(tasks, () => {
        const file = targetOf(path)
        const writing = answer(file, tasks)
        if (writing.length === 0) return []
        makeFolder(file)
        const done = rewrite(file, writing)?.value
        if (!done) return writing
        const { next, outcomes, damage } = done
        if (damage) warn(`the file store ${path} begins anew, its file was damaged: ${damage}`)
        watching.look(next)
        for (const outcome of outcomes) outcome()
        return []
      }),
    tooLate: () =>
      new Error(
        `the lock of the file store ${path} was not free within ${operationTimeout} ms: ${lock.holder}`,
      ),
  })

  const update = <T>(key: string, change: Change<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      if (isClosed) throw closed()
      tasks.add(taskOf(key, change, clock.monotonic() + operationTimeout, resolve, reject))
    })

  const operations = operationsOver(update)
  return {
    pollEvery: 1_000,
    ...operations,
    acquire: (key, wanted) => {
      lock.heed(wanted.duration)
      return operations.acquire(key, wanted)
    },
    watch: (onNotice) =>
      watching.watch(() => {
        let file = path
        quietly(() => {
          file = targetOf(path)
          makeFolder(file)
        })
        return file
      }, onNotice),
    close: () => {
      isClosed = true
      tasks.close(closed())
      watching.close()
    },
  }
}

const closed = (): Error => new Error('the file store was closed')

/** Several processes may do so at once. */
function makeFolder(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
}
