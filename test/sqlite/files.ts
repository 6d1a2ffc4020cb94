import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadSqlite } from '../../workers/stores/sql/sqlite-database.js'
import { cleanUp } from '../support/cleanup.js'

export function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'token-thread-'))
  cleanUp(() => rmSync(made, { recursive: true }))
  return made
}

/** Runs SQL on a file, as another program would. */
export function run(path: string, sql: string): void {
  const database = new (loadSqlite().DatabaseSync)(path)
  try {
    database.exec(sql)
  } finally {
    database.close()
  }
}
