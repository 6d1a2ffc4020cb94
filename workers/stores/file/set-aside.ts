import { constants, copyFileSync, linkSync, statSync, unlinkSync } from 'node:fs'
import { hasCode, quietly } from './disk.js'

/** So many files set aside in one ms are no accident. */
const MOST_OF_ONE_TIME = 100

/**
 * Gives a file a second name in its folder, and says which: its bytes stay as they are when the first name gets a new
 * file. It is not renamed: a process that was stopped before a rename would do it later, to a good file.
 */
export function setAside(file: string, now: number): string {
  const name = `${file}.damaged-${new Date(now).toISOString().replaceAll(':', '-')}`
  for (let i = 1; i < MOST_OF_ONE_TIME; i++) {
    const free = i === 1 ? name : `${name}-${i}`
    try {
      keep(file, free)
      return free
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error
    }
  }
  throw new Error(`${file} is damaged and was set aside too often`)
}

/** Nothing took the file's place after all, or another set it aside: this name goes, unless it alone has the bytes. */
export function undoSetAside(aside: string): void {
  quietly(() => {
    if (statSync(aside).nlink > 1) unlinkSync(aside)
  })
}

/** By a copy where the file system knows no second names, or the file is another user's. */
function keep(file: string, as: string): void {
  try {
    linkSync(file, as)
  } catch (error) {
    if (hasCode(error, 'EEXIST', 'ENOENT')) throw error
    copyFileSync(file, as, constants.COPYFILE_EXCL)
  }
}
