import { constants, copyFileSync, linkSync, statSync, unlinkSync } from 'node:fs'
import { hasCode, identityOf, quietly, statOf } from './disk.js'

/** So many files set aside in one ms are no accident. */
const MOST_OF_ONE_TIME = 100

export interface Aside {
  readonly name: string
  /** Nothing took the file's place after all, or another set it aside: this name goes, unless it alone has the bytes. */
  readonly undo: () => void
}

/**
 * Gives a file a second name in its folder: its bytes stay as they are when the first name gets a new file. It is not
 * renamed: a process that was stopped before a rename would do it later, to a good file.
 */
export function setAside(file: string, now: number): Aside {
  const name = `${file}.damaged-${new Date(now).toISOString().replaceAll(':', '-')}`
  for (let i = 1; i < MOST_OF_ONE_TIME; i++) {
    const free = i === 1 ? name : `${name}-${i}`
    try {
      const isStillThere = keep(file, free)
      return {
        name: free,
        undo: () =>
          quietly(() => {
            if (isStillThere()) unlinkSync(free)
          }),
      }
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error
    }
  }
  throw new Error(`${file} is damaged and was set aside too often`)
}

/**
 * By a copy where the file system knows no second names, or the file is another user's. Answers how to see whether the
 * bytes are still where they were.
 */
function keep(file: string, as: string): () => boolean {
  try {
    linkSync(file, as)
    return () => statSync(as).nlink > 1
  } catch (error) {
    if (hasCode(error, 'EEXIST', 'ENOENT')) throw error
  }
  const identity = (): string | undefined => {
    const stat = statOf(file)
    return stat && identityOf(stat)
  }
  const copied = identity()
  copyFileSync(file, as, constants.COPYFILE_EXCL)
  return () => copied !== undefined && identity() === copied
}
