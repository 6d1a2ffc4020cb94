import type { Clock } from '../../../src/clock.js'
import { messageOf } from '../../../src/errors.js'
import type { Store } from '../../../src/store.js'
import { StoreOperatorError } from '../store-error.js'
import { codeOf } from './failures.js'
import { builder, type Compiled, loadKysely } from './kysely.js'
import type { Answer } from './lines.js'
import type { SqlStoreOptions } from './options.js'
import { createTable, TABLE } from './schema.js'
import { SqlStore, storeOf, type Trouble } from './sql-store.js'
import { BeingSetAsideError, setAside } from './sqlite-aside.js'
import { DamagedError, inodeOf, loadSqlite, type Sqlite, SqliteDatabase } from './sqlite-database.js'

/** ms between two attempts while another process writes. */
const BUSY_PAUSE = 20

/**
 * A table in a file of SQLite, by Node's own `node:sqlite` (from Node 22.13). Folder, file (mode 0600) and table are
 * made where they are missing; a file that is damaged or no database is set aside beside itself, and the store goes on
 * empty. For processes of one machine: the file must lie on a local disk. All who read poll.
 */
export function sqliteStore(path: string, options: SqlStoreOptions): Store {
  const kysely = loadKysely('kysely')
  const file = new SqliteFile(loadSqlite(), path, options)
  const store = new SqlStore({
    dialect: {
      kysely,
      db: builder(kysely, {
        createAdapter: () => new kysely.SqliteAdapter(),
        createQueryCompiler: () => new kysely.SqliteQueryCompiler(),
      }),
      // Read when the statement runs: it may have waited for another process.
      now: `cast(round(unixepoch('subsec') * 1000) as integer)`,
      greatest: 'max',
      integer: 'integer',
      keyOf: (key) => key,
      grants: 'row',
    },
    createTable: createTable('sqlite'),
    ask: (query) => file.run(query),
    troubleOf,
    explain,
  })
  return storeOf(store, { pollEvery: 1_000, close: () => file.close() })
}

/** The file, opened at the first statement, and again where another one took its place. */
class SqliteFile {
  readonly #sqlite: Sqlite
  readonly #path: string
  readonly #clock: Clock
  readonly #warn: (message: string) => void
  readonly #timeout: number
  #database: SqliteDatabase | undefined
  #isClosed = false

  constructor(sqlite: Sqlite, path: string, { clock, warn, operationTimeout = 5_000 }: SqlStoreOptions) {
    this.#sqlite = sqlite
    this.#path = path
    this.#clock = clock
    this.#warn = warn
    this.#timeout = operationTimeout
  }

  async run(query: Compiled): Promise<Answer> {
    const end = this.#clock.monotonic() + this.#timeout
    for (;;) {
      if (this.#isClosed) throw new Error('the store was closed')
      try {
        return this.#attempt(query)
      } catch (error) {
        if (!isBusy(error) || this.#clock.monotonic() >= end) throw error
      }
      await new Promise<void>((resolve) => this.#clock.timer(BUSY_PAUSE, resolve))
    }
  }

  close(): void {
    this.#isClosed = true
    this.#letGo()
  }

  #attempt(query: Compiled): Answer {
    const inode = inodeOf(this.#path)
    try {
      return this.#open().run(query)
    } catch (error) {
      if (!isDamage(error)) throw error
      this.#setAside(inode)
      return this.#open().run(query)
    }
  }

  /** What is written to a file that lost its name would be seen by nobody. */
  #open(): SqliteDatabase {
    if (this.#database?.isInPlace() === false) this.#letGo()
    return (this.#database ??= new SqliteDatabase(this.#sqlite, this.#path))
  }

  #letGo(): void {
    const database = this.#database
    this.#database = undefined
    database?.close()
  }

  /** Before it is closed: to close it in its place could still write to it. */
  #setAside(inode: number | undefined): void {
    const aside = inode === undefined ? undefined : setAside(this.#path, inode, this.#clock.now())
    if (aside !== undefined)
      this.#warn(
        `the store's file ${this.#path} is damaged or no database: it was set aside as ${aside}, and the store goes on empty`,
      )
    this.#letGo()
  }
}

/** SQLite's result code without what extends it; 0: not its error. */
function resultOf(error: unknown): number {
  const isOne = error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
  return isOne ? Number(error.errcode) & 0xff : 0
}

const BUSY = 5
const LOCKED = 6
const READ_ONLY = 8
const CORRUPT = 11
const CAN_T_OPEN = 14
const NOT_A_DATABASE = 26

function isBusy(error: unknown): boolean {
  return error instanceof BeingSetAsideError || [BUSY, LOCKED].includes(resultOf(error))
}

function isDamage(error: unknown): boolean {
  return error instanceof DamagedError || [CORRUPT, NOT_A_DATABASE].includes(resultOf(error))
}

function troubleOf(error: unknown): Trouble | undefined {
  return messageOf(error).includes(`no such table: ${TABLE}`) ? 'the table is missing' : undefined
}

function explain(error: unknown): Error {
  const message = messageOf(error)
  if (
    [READ_ONLY, CAN_T_OPEN].includes(resultOf(error)) ||
    /^E(ACCES|PERM|ROFS|ISDIR|NOTDIR|EXIST)$/.test(codeOf(error))
  )
    return new StoreOperatorError(
      `${message}: give this process the right to write the store's file and folder`,
    )
  if (/^(no such column|table .* has no column)|ON CONFLICT clause does not match/.test(message))
    return new StoreOperatorError(
      `${message}: the table ${TABLE} is not as \`token-thread schema sqlite\` prints it: rename it, or use a file of its own`,
    )
  return error instanceof StoreOperatorError ? error : new Error(message)
}
