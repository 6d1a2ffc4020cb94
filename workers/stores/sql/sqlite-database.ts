import { closeSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { StoreOperatorError } from '../store-error.js'
import type { Compiled } from './kysely.js'
import type { Answer } from './lines.js'
import { TABLE } from './schema.js'

/** What is used of `node:sqlite`, whose types Node 20 lacks as it lacks the module. */
export interface Sqlite {
  readonly DatabaseSync: new (path: string) => DatabaseSync
}

interface DatabaseSync {
  exec(sql: string): void
  prepare(sql: string): Statement
  close(): void
}

interface Statement {
  all(...parameters: readonly (null | bigint | string)[]): unknown[]
  run(...parameters: readonly (null | bigint | string)[]): { readonly changes: number | bigint }
}

export function loadSqlite(): Sqlite {
  const module: unknown = process.getBuiltinModule('node:sqlite')
  if (!isSqlite(module))
    throw new StoreOperatorError('the SQLite store needs Node 22.13 or later: use the file store instead')
  return module
}

/** ms that one attempt waits for another process's write: the thread stands still meanwhile. */
const BUSY_TIMEOUT = 100

/** One open file. All is synchronous: nothing waits for libuv's pool. */
export class SqliteDatabase {
  readonly #path: string
  readonly #database: DatabaseSync
  readonly #inode: number

  /** Makes folder and file where they are missing. Throws where the file is no database, or our table in it is damaged. */
  constructor({ DatabaseSync }: Sqlite, path: string) {
    this.#path = path
    create(path)
    this.#inode = statSync(path).ino
    this.#database = new DatabaseSync(path)
    try {
      this.#database.exec(`pragma busy_timeout = ${BUSY_TIMEOUT}`)
      this.#database.exec('pragma journal_mode = wal')
      // NORMAL could lose what was committed last when the power fails.
      this.#database.exec('pragma synchronous = full')
      this.#check()
    } catch (error) {
      this.#database.close()
      throw error
    }
  }

  /** False once another file has its name, or none. */
  isInPlace(): boolean {
    return inodeOf(this.#path) === this.#inode
  }

  run({ sql, parameters }: Compiled): Answer {
    const statement = this.#database.prepare(sql)
    const values = parameters.map(valueOf)
    if (/^(insert|update)/.test(sql) && !/ returning /.test(sql))
      return { rows: [], changed: Number(statement.run(...values).changes) }
    const rows = statement.all(...values)
    return { rows, changed: rows.length }
  }

  /** The last one to close writes the log back into the file, unless that was moved away. */
  close(): void {
    this.#database.close()
  }

  #check(): void {
    const tables = this.#database.prepare('select 1 from sqlite_schema where name = ?').all(TABLE)
    if (tables.length === 0) return
    const findings = this.#database.prepare(`pragma quick_check(${TABLE})`).all()
    if (findings.length !== 1 || !JSON.stringify(findings).includes('"ok"')) throw new DamagedError()
  }
}

/** What `quick_check` finds. */
export class DamagedError extends Error {
  override readonly name = 'DamagedError'
  override readonly message = 'the database is damaged'
}

export function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino
}

/**
 * Before SQLite does, with rights that umask can't widen; -wal and -shm get the same. One that is there is not even
 * opened: to close it again would drop the locks of all other connections of this process.
 */
function create(path: string): void {
  const folder = dirname(path)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return
    throw error
  }
  const opened = openSync(folder, 'r')
  fsyncSync(opened)
  closeSync(opened)
}

/** A number is bound as a fraction: whole ones go as what they are. */
function valueOf(parameter: unknown): null | bigint | string {
  if (typeof parameter === 'number') return BigInt(parameter)
  if (typeof parameter === 'string') return parameter
  if (parameter === null) return null
  throw new Error('a value that SQLite does not know')
}

function isSqlite(module: unknown): module is Sqlite {
  return typeof module === 'object' && module !== null && 'DatabaseSync' in module
}
