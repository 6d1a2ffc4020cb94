import { linkSync, renameSync, statSync, unlinkSync } from 'node:fs'
import { codeOf } from './failures.js'
import { inodeOf } from './sqlite-database.js'

/** ms after which a process that began it has died over it: it is a few system calls. */
const ABANDONED = 5_000

/** Another process is at it in this moment. */
export class BeingSetAsideError extends Error {
  override readonly name = 'BeingSetAsideError'
  override readonly message = 'the store’s file is damaged, and another process is just setting it aside'
}

/**
 * Takes the damaged file with this inode, and its log, out of the way; returns its new name. Undefined: another process
 * did so, and what has the name now may be a good file.
 *
 * The new name is the inode's, so of all who found it damaged one gets it by `link`, and only that one takes the old
 * name away. A rename instead could take the good file that another one had made in the meantime.
 */
export function setAside(path: string, inode: number, now: number): string | undefined {
  const aside = `${path}.damaged-${inode}`
  const isClaimed = claim(path, aside, inode, now)
  if (isClaimed === undefined) return undefined
  // The log first: one that stayed behind would be taken for the new file's.
  for (const suffix of ['-wal', '-shm'])
    if (inodeOf(path + suffix) !== undefined) renameSync(path + suffix, aside + suffix)
  if (isClaimed) unlinkSync(path)
  else renameSync(path, aside)
  return aside
}

/** False: this file system knows no second names. Undefined: it is done. */
function claim(path: string, aside: string, inode: number, now: number): boolean | undefined {
  try {
    linkSync(path, aside)
  } catch (error) {
    switch (codeOf(error)) {
      case 'ENOENT':
        return undefined
      case 'EEXIST':
        if (inodeOf(path) !== inode) return undefined
        if (now - changedAt(aside) < ABANDONED) throw new BeingSetAsideError()
        return true
      case 'EPERM':
      case 'ENOSYS':
      case 'ENOTSUP':
        return inodeOf(path) === inode ? false : undefined
      default:
        throw error
    }
  }
  if (inodeOf(aside) === inode) return true
  // Another file has taken the name since.
  unlinkSync(aside)
  return undefined
}

/** A second name counts as a change. */
function changedAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.ctimeMs ?? Infinity
}
