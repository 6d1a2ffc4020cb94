import { messageOf } from '../../../src/errors.js'
import type { Store } from '../../../src/store.js'
import { codeOf, explained, isTlsTrouble, type OperatorTrouble, secretsOf } from './failures.js'
import { builder, loadKysely } from './kysely.js'
import { Lines } from './lines.js'
import { CHANNEL, Notices } from './notices.js'
import { loadPg, postgresLine } from './postgres-line.js'
import type { SqlStoreOptions } from './options.js'
import { createTable } from './schema.js'
import { SqlStore, storeOf, type Trouble } from './sql-store.js'
import type { Dialect } from './statements.js'

/**
 * A table in PostgreSQL. It connects at the first operation, and creates the table where there is none. `url` is
 * `pg`'s: `postgres://user:password@host:5432/database?sslmode=verify-full`; it must lead to the primary.
 *
 * Two connections, and one that listens. Behind a pooler that shares sessions (PgBouncer's transaction mode) nothing
 * is heard on that one: this is noticed, said, and `pollEvery` is then short.
 */
export function postgresStore(url: string, options: SqlStoreOptions): Store {
  const { clock, warn, operationTimeout = 5_000 } = options
  const kysely = loadKysely('kysely pg')
  const pg = loadPg()
  const secrets = secretsOf(url)
  let statementTimeout = operationTimeout
  const connect = (onNotice?: (payload: string) => void) => {
    const line = postgresLine(pg, { url, statementTimeout, ...(onNotice && { onNotice }) })
    // PgBouncer lets nobody in who asks for it at the start.
    line.ready.catch((error: unknown) => {
      if (isStartupRefused(error)) statementTimeout = 0
    })
    return line
  }
  const lines = new Lines({ connect: () => connect(), clock, timeout: operationTimeout, isAnswer, isCrowded })
  const { sql } = kysely
  const dialect: Dialect = {
    kysely,
    db: builder(kysely, {
      createAdapter: () => new kysely.PostgresAdapter(),
      createQueryCompiler: () => new kysely.PostgresQueryCompiler(),
    }),
    // Not now(): that stands still while a transaction lasts.
    now: 'floor(extract(epoch from clock_timestamp()) * 1000)::bigint',
    greatest: 'greatest',
    integer: 'bigint',
    keyOf: (key) => key,
    grants: 'row',
    notify: (payload) => sql`pg_notify(${CHANNEL}, ${payload})`,
  }
  const notices = new Notices({
    connect,
    send: async (payload) => {
      await lines.run({ sql: 'select pg_notify($1, $2)', parameters: [CHANNEL, payload] })
    },
    isAnswer,
    clock,
    warn,
    timeout: operationTimeout,
  })
  const store = new SqlStore({
    dialect,
    createTable: createTable('postgres'),
    ask: (query) =>
      lines.run(query).catch((error: unknown) => {
        if (isStartupRefused(error)) return lines.run(query)
        // The connection that listens most likely leads to the same server.
        if (isReadOnly(error)) notices.renew()
        throw error
      }),
    troubleOf,
    explain: (error) => explained('postgres', error, secrets, operatorTroubleOf(error)),
  })
  return storeOf(store, {
    get pollEvery() {
      return notices.pollEvery
    },
    watch: (onNotice) => notices.watch(onNotice),
    close: async () => {
      await Promise.all([notices.close(), lines.close()])
    },
  })
}

/**
 * Whether the server answered so, and the connection goes on: not where it was refused, is being closed, or broke. One
 * that is read-only was the primary before: the name in the URL is looked up again.
 */
function isAnswer(error: unknown): boolean {
  return isOfServer(error) && !/^(08|28|3D|53|57|58|XX)/.test(codeOf(error)) && !isReadOnly(error)
}

/** What the system says has codes that look the same, as EPIPE. */
function isOfServer(error: unknown): boolean {
  return error instanceof Error && 'severity' in error && /^[0-9A-Z]{5}$/.test(codeOf(error))
}

/** read_only_sql_transaction: a replica, or a primary that was demoted. */
function isReadOnly(error: unknown): boolean {
  return codeOf(error) === '25006'
}

/** too_many_connections: of the server, the database or the role */
function isCrowded(error: unknown): boolean {
  return codeOf(error) === '53300'
}

/** `unsupported startup parameter: statement_timeout`. PgBouncer has this one code for all that it refuses. */
function isStartupRefused(error: unknown): boolean {
  return isPooler(error) && /startup parameter/i.test(messageOf(error))
}

function isPooler(error: unknown): boolean {
  return codeOf(error) === '08P01'
}

function troubleOf(error: unknown): Trouble | undefined {
  switch (codeOf(error)) {
    case '42P01': // undefined_table
      return 'the table is missing'
    case '42P07': // duplicate_table
    case '23505': // unique_violation, of the catalogue: `if not exists` does not see what is not committed yet
    case '42710': // duplicate_object, the table's type
      return 'created at once'
    case '40001': // serialization_failure, where the database's default is not READ COMMITTED
    case '40P01': // deadlock_detected
      return 'conflict'
    default:
      return undefined
  }
}

function operatorTroubleOf(error: unknown): OperatorTrouble | undefined {
  if (isPooler(error)) return poolerTroubleOf(messageOf(error))
  if (isReadOnly(error)) return 'read-only'
  if (!isOfServer(error)) return isTlsTrouble(error) ? 'tls' : undefined
  switch (codeOf(error)) {
    case '28P01': // invalid_password
    case '28000': // invalid_authorization_specification: no such user, or pg_hba.conf has no line for it
      return 'login'
    case '3D000': // invalid_catalog_name
      return 'no database'
    case '42501': // insufficient_privilege
    case '3F000': // invalid_schema_name: none to create the table in
      return 'no right'
    case '42703': // undefined_column
    case '42804': // datatype_mismatch
    case '42883': // undefined_function: a column is of another type
    case '42P10': // invalid_column_reference: no primary key
    case '42P18': // indeterminate_datatype
    case '42809': // wrong_object_type
      return 'not our table'
    default:
      return undefined
  }
}

/** PgBouncer's own words, and a server's that it hands on. */
function poolerTroubleOf(message: string): OperatorTrouble | undefined {
  if (/no such database|database .*does not exist/i.test(message)) return 'no database'
  if (/auth\w* failed|empty password|no such user|role .*does not exist/i.test(message)) return 'login'
  return undefined
}
