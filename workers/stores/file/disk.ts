import { closeSync, fsyncSync, openSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { messageOf } from '../../../src/errors.js'
import { StoreOperatorError } from '../store-error.js'
import { NewerVersion } from './document.js'

/** What only an operator can mend; a full disk, too many open files and the like pass. */
const OPERATOR_CODES = ['EACCES', 'EPERM', 'EROFS', 'EISDIR', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ENXIO']

/** The error of an operation on the store at `path`, as its user is told. */
export function storeErrorOf(path: string, error: unknown): unknown {
  if (error instanceof NewerVersion)
    return new StoreOperatorError(
      `the file store ${path} was written by a newer token-thread (format ${error.version}): ` +
        'update this one, or give the store another path',
    )
  if (!hasCode(error, ...OPERATOR_CODES)) return error
  return new StoreOperatorError(`the file store ${path} can't be used: ${messageOf(error)}`)
}

export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return (
    error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code)
  )
}

/** Runs what may find nothing to do, or another quicker. */
export function quietly(run: () => void): void {
  try {
    run()
  } catch {
    // What is left behind is found again by whoever comes next.
  }
}

/** Where the file is, behind links, so that a link stays one and all who come by different links share one lock. */
export function targetOf(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
  }
  try {
    // A link to what is not there yet. A circle of links was an ELOOP above.
    return targetOf(resolve(dirname(path), readlinkSync(path)))
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'EINVAL', 'UNKNOWN')) throw error
    return resolve(path)
  }
}

/** The whole file; undefined: there is none. */
export function bytesOf(file: string): Buffer | undefined {
  try {
    // To open a FIFO would wait for a writer, in the thread that serves all.
    const stat = statSync(file)
    if (!stat.isFile() && !stat.isDirectory()) throw new StoreOperatorError(`${file} is no regular file`)
    return readFileSync(file)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** So that a rename survives a loss of power; where folders can't be opened or synced, the system sees to it. */
export function syncFolder(folder: string): void {
  let descriptor: number
  try {
    descriptor = openSync(folder, 'r')
  } catch {
    return
  }
  try {
    fsyncSync(descriptor)
  } catch (error) {
    if (!hasCode(error, 'EINVAL', 'ENOTSUP', 'EPERM', 'EBADF')) throw error
  } finally {
    closeSync(descriptor)
  }
}
