import type * as kysely from 'kysely'
import { peer } from '../peer.js'

/** The columns, as Kysely knows them. What comes back is read by `row.ts`: drivers give a bigint in different forms. */
export interface TokenThreadTable {
  account_key: string | Uint8Array
  epoch: number
  lease_ends: number
  access_token: string | null
  issued_at: number | null
  expires_at: number | null
  generation: number | null
  token_epoch: number | null
  suspect_since: number | null
  day_ends: number
  calls: number
  forced: number
  last_call: number | null
  last_forced: number | null
  retry_at: number | null
  retry_failures: number | null
}

export interface Tables {
  token_thread: TokenThreadTable
}

export type Kysely = typeof kysely
export type Builder = kysely.Kysely<Tables>
export type Expression<T> = kysely.RawBuilder<T>

/** A statement that is ready to be sent. */
export interface Compiled {
  readonly sql: string
  readonly parameters: readonly unknown[]
}

/** `install`: what the store needs besides, for the error that says how to get it. */
export function loadKysely(install: string): Kysely {
  return peer('kysely', install, isKysely)
}

/** Kysely only writes the statements: what sends them has deadlines and lets go of a connection that hangs. */
export function builder(
  kysely: Kysely,
  dialect: Pick<kysely.Dialect, 'createAdapter' | 'createQueryCompiler'>,
): Builder {
  return new kysely.Kysely<Tables>({
    dialect: {
      createAdapter: () => dialect.createAdapter(),
      createQueryCompiler: () => dialect.createQueryCompiler(),
      createDriver: () => new kysely.DummyDriver(),
      createIntrospector: (db) => new kysely.PostgresIntrospector(db),
    },
  })
}

function isKysely(module: unknown): module is Kysely {
  return (
    typeof module === 'object' &&
    module !== null &&
    ['Kysely', 'DummyDriver', 'sql', 'PostgresAdapter', 'MysqlAdapter', 'SqliteAdapter'].every(
      (name) => name in module,
    )
  )
}
