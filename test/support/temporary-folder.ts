import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cleanUp } from './cleanup.js'

/** A folder that is removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'token-thread-'))
  cleanUp(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
