import type { LeaseWanted, PublishedToken, StoredRetry, StoredSpent } from '../../../src/store.js'
import { LONGEST_LEASE } from '../record.js'
import type { Builder, Compiled, Expression, Kysely } from './kysely.js'
import { TABLE } from './schema.js'

/** In what the databases differ. */
export interface Dialect {
  readonly kysely: Kysely
  readonly db: Builder
  /** The server's clock in whole ms, in UTC whatever the session's time zone is. */
  readonly now: string
  readonly greatest: 'greatest' | 'max'
  /** What `cast` calls a 64-bit number: a bare parameter may be taken for a shorter one, or for a fraction. */
  readonly integer: 'bigint' | 'signed' | 'integer'
  readonly keyOf: (key: string) => string | Uint8Array
  /** MySQL returns no rows of an update: the new epoch then comes back as the insert id. */
  readonly grants: 'row' | 'insert id'
  /** A notice goes out with the statement that it tells of, or not at all. */
  readonly notify?: (payload: Expression<string>) => Expression<unknown>
}

/**
 * Each write as one compare-and-swap statement of its own. None runs in a transaction: each sees what is committed when
 * it runs, and takes its row's lock for as long as it runs.
 */
export class Statements {
  readonly #dialect: Dialect

  constructor(dialect: Dialect) {
    this.#dialect = dialect
  }

  /** Fails where the table is missing or lacks a column. */
  probe(): Compiled {
    return this.#select()
      .where(this.#dialect.kysely.sql<boolean>`1 = 0`)
      .compile()
  }

  now(): Compiled {
    return this.#dialect.db.selectNoFrom(this.#now().as('now')).compile()
  }

  load(key: string): Compiled {
    return this.#select().where('account_key', '=', this.#key(key)).compile()
  }

  /** An empty record, unless there is one. */
  insert(key: string): Compiled {
    const { db, kysely, grants } = this.#dialect
    const insert = db.insertInto(TABLE).values({ account_key: this.#key(key), ...EMPTY })
    // Not INSERT IGNORE: that would also cut a key that is too long.
    if (grants === 'insert id')
      return insert.onDuplicateKeyUpdate({ account_key: kysely.sql.ref('account_key') }).compile()
    return insert.onConflict((conflict) => conflict.column('account_key').doNothing()).compile()
  }

  grant(key: string, { duration, known }: LeaseWanted): Compiled {
    const { db, kysely, greatest, grants } = this.#dialect
    const { sql } = kysely
    const now = this.#now()
    const epoch = sql<number>`${sql.raw(greatest)}(epoch + 1, coalesce(generation, 0) + 1, ${this.#integer(known + 1)}, ${now})`
    const update = db
      .updateTable(TABLE)
      .set({
        epoch: grants === 'insert id' ? sql<number>`last_insert_id(${epoch})` : epoch,
        lease_ends: sql<number>`${now} + ${this.#integer(duration)}`,
      })
      .where('account_key', '=', this.#key(key))
      .where((where) =>
        where.or([
          where('lease_ends', '<=', now),
          where('lease_ends', '>', sql<number>`${now} + ${this.#integer(LONGEST_LEASE * duration)}`),
        ]),
      )
    return grants === 'row' ? update.returningAll().returning(now.as('now')).compile() : update.compile()
  }

  spend(key: string, epoch: number, spent: StoredSpent): Compiled {
    return this.#fenced(key, epoch)
      .set({
        day_ends: spent.dayEnds,
        calls: spent.calls,
        forced: spent.forced,
        last_call: spent.lastCall ?? null,
        last_forced: spent.lastForced ?? null,
      })
      .compile()
  }

  publish(key: string, epoch: number, token: PublishedToken): Compiled {
    const { sql } = this.#dialect.kysely
    const { accessToken, issuedAt, expiresAt, generation } = token
    const given = this.#integer(generation)
    const update = this.#fenced(key, epoch)
      .where(sql<boolean>`coalesce(generation, 0) <= ${given}`)
      .set({
        // First: MySQL sets one column after the other, and this needs the old generation.
        suspect_since: sql<
          number | null
        >`case when coalesce(generation, 0) < ${given} then null else suspect_since end`,
        access_token: accessToken,
        issued_at: issuedAt,
        expires_at: expiresAt,
        generation,
        token_epoch: epoch,
        retry_at: null,
        retry_failures: null,
      })
    const notice = this.#notice(key, generation, false)
    if (!notice) return update.compile()
    // A subquery in RETURNING sees the row as it was before.
    const before = sql`(select coalesce(b.generation, 0) from ${sql.table(TABLE)} as b where b.account_key = ${this.#key(key)})`
    return update.returning(sql`case when ${before} < ${given} then ${notice} end`.as('told')).compile()
  }

  markSuspect(key: string, generation: number): Compiled {
    const { db, kysely } = this.#dialect
    const update = db
      .updateTable(TABLE)
      .set({ suspect_since: kysely.sql.ref<number>('epoch') })
      .where('account_key', '=', this.#key(key))
      .where('generation', '=', generation)
      .where('suspect_since', 'is', null)
    const notice = this.#notice(key, generation, true)
    return notice ? update.returning(notice.as('told')).compile() : update.compile()
  }

  release(key: string, epoch: number, retry: StoredRetry | undefined): Compiled {
    return this.#fenced(key, epoch)
      .set({ lease_ends: 0, ...(retry && { retry_at: retry.at, retry_failures: retry.failures }) })
      .compile()
  }

  #select() {
    // By name: a table that lacks one must fail at the start, not at the first token.
    return this.#dialect.db.selectFrom(TABLE).select(COLUMNS).select(this.#now().as('now'))
  }

  #fenced(key: string, epoch: number) {
    return this.#dialect.db
      .updateTable(TABLE)
      .where('account_key', '=', this.#key(key))
      .where('epoch', '=', epoch)
  }

  #key(key: string): string | Uint8Array {
    return this.#dialect.keyOf(key)
  }

  #now(): Expression<number> {
    return this.#dialect.kysely.sql<number>`${this.#dialect.kysely.sql.raw(this.#dialect.now)}`
  }

  #integer(value: number): Expression<number> {
    const { sql } = this.#dialect.kysely
    return sql<number>`cast(${value} as ${sql.raw(this.#dialect.integer)})`
  }

  #notice(key: string, generation: number, suspect: boolean): Expression<unknown> | undefined {
    const payload = JSON.stringify({ key, generation, suspect })
    return this.#dialect.notify?.(this.#dialect.kysely.sql<string>`${payload}`)
  }
}

const COLUMNS = [
  'epoch',
  'lease_ends',
  'access_token',
  'issued_at',
  'expires_at',
  'generation',
  'token_epoch',
  'suspect_since',
  'day_ends',
  'calls',
  'forced',
  'last_call',
  'last_forced',
  'retry_at',
  'retry_failures',
] as const

const EMPTY = { epoch: 0, lease_ends: 0, day_ends: 0, calls: 0, forced: 0 }
