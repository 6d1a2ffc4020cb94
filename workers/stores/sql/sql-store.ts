import { emptyRecord, type Acquired, type LeaseWanted, type Store, type Stored } from '../../../src/store.js'
import { LONGEST_LEASE } from '../record.js'
import type { Compiled } from './kysely.js'
import type { Answer } from './lines.js'
import { readNow, readRow, type Row, wholeOf } from './row.js'
import { Statements, type Dialect } from './statements.js'

/** What went wrong with a statement, as far as the store goes on from it. */
export type Trouble =
  | 'the table is missing'
  /** Another one created it in the same moment. */
  | 'created at once'
  /** The server undid the statement because of another one; it may be sent again. */
  | 'conflict'

export interface Database {
  readonly dialect: Dialect
  readonly createTable: string
  readonly ask: (query: Compiled) => Promise<Answer>
  readonly troubleOf: (error: unknown) => Trouble | undefined
  /** The error that the caller gets: without secrets, a StoreOperatorError where waiting does not help. */
  readonly explain: (error: unknown) => Error
}

/** The operations, the same for each database. */
export class SqlStore implements Omit<Store, 'pollEvery' | 'watch' | 'close'> {
  readonly #database: Database
  readonly #statements: Statements
  #prepared: Promise<void> | undefined

  constructor(database: Database) {
    this.#database = database
    this.#statements = new Statements(database.dialect)
  }

  async load(key: string): Promise<Stored> {
    const row = await this.#read(key)
    if (row) return row.stored
    const { rows } = await this.#ask(this.#statements.now())
    return emptyRecord(readNow(rows[0]))
  }

  async acquire(key: string, wanted: LeaseWanted): Promise<Acquired> {
    // The second time there is a record, unless somebody deletes it in the same moment.
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const granted = await this.#grant(key, wanted)
      if (granted) return { granted: true, stored: granted }
      const row = await this.#read(key)
      if (row) return { granted: false, stored: row.stored, heldFor: heldFor(row, wanted) }
      await this.#ask(this.#statements.insert(key))
    }
    throw new Error('the record vanishes as soon as it is written')
  }

  async spend(key: string, epoch: number, spent: Stored['spent']): Promise<boolean> {
    return this.#changes(this.#statements.spend(key, epoch, spent))
  }

  async publish(...[key, epoch, token]: Parameters<Store['publish']>): Promise<boolean> {
    return this.#changes(this.#statements.publish(key, epoch, token))
  }

  async markSuspect(key: string, generation: number): Promise<void> {
    await this.#ask(this.#statements.markSuspect(key, generation))
  }

  async release(...[key, epoch, retry]: Parameters<Store['release']>): Promise<boolean> {
    return this.#changes(this.#statements.release(key, epoch, retry))
  }

  /** What was certainly granted to this call. */
  async #grant(key: string, wanted: LeaseWanted): Promise<Stored | undefined> {
    const { rows, changed, insertId } = await this.#ask(this.#statements.grant(key, wanted))
    if (changed !== 1) return undefined
    if (this.#database.dialect.grants === 'row') return readRow(rows[0]).stored
    const epoch = wholeOf('epoch', insertId)
    const row = await this.#read(key)
    // Otherwise it ended before it could be read, and is another's by now.
    return row?.stored.epoch === epoch ? row.stored : undefined
  }

  async #read(key: string): Promise<Row | undefined> {
    const { rows } = await this.#ask(this.#statements.load(key))
    return rows.length === 0 ? undefined : readRow(rows[0])
  }

  async #changes(query: Compiled): Promise<boolean> {
    return (await this.#ask(query)).changed > 0
  }

  async #ask(query: Compiled): Promise<Answer> {
    try {
      await (this.#prepared ??= this.#prepare())
      try {
        return await this.#send(query)
      } catch (error) {
        if (this.#database.troubleOf(error) !== 'the table is missing') throw error
        // The database was replaced by an empty one, and nothing was done.
        await (this.#prepared = this.#prepare())
        return await this.#send(query)
      }
    } catch (error) {
      throw this.#database.explain(error)
    }
  }

  /** Looks for the table, and creates it where there is none; whoever may not create it needs it to be there. */
  async #prepare(): Promise<void> {
    try {
      for (let attempt = 0; attempt < PATIENCE; attempt += 1) {
        if (await this.#hasTable()) return
        await this.#create()
      }
      throw new Error('the table vanishes as soon as it is created')
    } catch (error) {
      this.#prepared = undefined
      throw error
    }
  }

  async #hasTable(): Promise<boolean> {
    try {
      await this.#send(this.#statements.probe())
      return true
    } catch (error) {
      if (this.#database.troubleOf(error) !== 'the table is missing') throw error
      return false
    }
  }

  async #create(): Promise<void> {
    try {
      await this.#send({ sql: this.#database.createTable, parameters: [] })
    } catch (error) {
      if (this.#database.troubleOf(error) !== 'created at once') throw error
    }
  }

  async #send(query: Compiled): Promise<Answer> {
    const { ask, troubleOf } = this.#database
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await ask(query)
      } catch (error) {
        if (troubleOf(error) !== 'conflict' || attempt >= PATIENCE) throw error
      }
    }
  }
}

/** The operations and what only one database's store has. `pollEvery` may be a getter. */
export function storeOf(
  store: SqlStore,
  rest: Pick<Store, 'pollEvery' | 'close'> & Partial<Pick<Store, 'watch'>>,
): Store {
  return {
    get pollEvery() {
      return rest.pollEvery ?? POLL_EVERY
    },
    load: (key) => store.load(key),
    acquire: (key, wanted) => store.acquire(key, wanted),
    spend: (key, epoch, spent) => store.spend(key, epoch, spent),
    publish: (key, epoch, token) => store.publish(key, epoch, token),
    markSuspect: (key, generation) => store.markSuspect(key, generation),
    release: (key, epoch, retry) => store.release(key, epoch, retry),
    // A database that says nothing by itself.
    watch: (onNotice) => rest.watch?.(onNotice) ?? (() => undefined),
    close: () => rest.close(),
  }
}

const POLL_EVERY = 30_000
const PATIENCE = 10

/** ms, at least 1: between the two statements it may have ended. */
function heldFor({ stored, leaseEnds }: Row, { duration }: LeaseWanted): number {
  return Math.min(Math.max(1, leaseEnds - stored.now), LONGEST_LEASE * duration)
}
