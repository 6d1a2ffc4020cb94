import {
  type BigIntStats,
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
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
  if (isRefusedRename(error))
    return new StoreOperatorError(
      `the file store ${path} can't be replaced (${messageOf(error)}): it is mounted by itself; ` +
        'mount the folder that it is in, not the file',
    )
  if (!hasCode(error, ...OPERATOR_CODES)) return error
  return new StoreOperatorError(`the file store ${path} can't be used: ${messageOf(error)}`)
}

/** A file that was mounted by itself can't get another one in its place. On Windows a file that is in use passes. */
function isRefusedRename(error: unknown): boolean {
  if (process.platform === 'win32' || !hasCode(error, 'EBUSY', 'EXDEV')) return false
  return error instanceof Error && 'syscall' in error && error.syscall === 'rename'
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
  // The system follows a link from where it is, not from where the path says that it is.
  const folder = targetOf(dirname(path))
  try {
    // A link to what is not there yet. A circle of links was an ELOOP above.
    return targetOf(resolve(folder, readlinkSync(path)))
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'EINVAL', 'UNKNOWN')) throw error
    return join(folder, basename(path))
  }
}

/** Undefined: there is no file. */
export function statOf(file: string): BigIntStats | undefined {
  const stat = statSync(file, { bigint: true, throwIfNoEntry: false })
  // To open a FIFO would wait for a writer, in the thread that serves all.
  if (stat && !stat.isFile() && !stat.isDirectory())
    throw new StoreOperatorError(`${file} is no regular file`)
  return stat
}

/** Another one as soon as the file is another, or was written to. */
export function identityOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
}

/** The whole file; undefined: there is none. */
export function bytesOf(file: string): Buffer | undefined {
  if (!statOf(file)) return undefined
  try {
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
