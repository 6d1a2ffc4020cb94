import { messageOf } from '../../../src/errors.js'
import type { Store } from '../../../src/store.js'
import { codeOf, explained, isTlsTrouble, type OperatorTrouble, secretsOf } from './failures.js'
import { builder, loadKysely } from './kysely.js'
import { Lines } from './lines.js'
import { loadMysql, mysqlLine } from './mysql-line.js'
import type { SqlStoreOptions } from './options.js'
import { createTable } from './schema.js'
import { SqlStore, storeOf, type Trouble } from './sql-store.js'

/**
 * A table in MySQL (8) or MariaDB (10.5 and later). It connects at the first operation, and creates the table where
 * there is none. `url` is `mysql2`'s: `mysql://user:password@host:3306/database?ssl={"rejectUnauthorized":true}`; it
 * must lead to the primary, also for reads. The database says nothing by itself: all who read poll.
 */
export function mysqlStore(url: string, { clock, operationTimeout = 5_000 }: SqlStoreOptions): Store {
  const kysely = loadKysely('kysely mysql2')
  const mysql = loadMysql()
  const secrets = secretsOf(url)
  const lines = new Lines({
    connect: () => mysqlLine(mysql, { url, lockTimeout: operationTimeout }),
    clock,
    timeout: operationTimeout,
    isAnswer,
    isCrowded,
  })
  const store = new SqlStore({
    dialect: {
      kysely,
      db: builder(kysely, {
        createAdapter: () => new kysely.MysqlAdapter(),
        createQueryCompiler: () => new kysely.MysqlQueryCompiler(),
      }),
      // Not unix_timestamp(): that goes through the session's time zone, in which an hour of each year comes twice.
      now: `timestampdiff(microsecond, '1970-01-01 00:00:00', utc_timestamp(6)) div 1000`,
      greatest: 'greatest',
      integer: 'signed',
      keyOf: (key) => Buffer.from(key),
      grants: 'insert id',
    },
    createTable: createTable('mysql'),
    ask: (query) => lines.run(query),
    troubleOf,
    explain: (error) => explained('mysql', error, secrets, operatorTroubleOf(error)),
  })
  return storeOf(store, { pollEvery: 5_000, close: () => lines.close() })
}

/**
 * Whether the server answered so, and the connection goes on. One that is read-only was the primary before: the name in
 * the URL is looked up again.
 */
function isAnswer(error: unknown): boolean {
  return isOfServer(error) && !('fatal' in error && error.fatal === true) && !isReadOnly(error)
}

function isOfServer(error: unknown): error is Error {
  return error instanceof Error && 'sqlState' in error
}

/** A replica, or a primary that was demoted. */
function isReadOnly(error: unknown): boolean {
  switch (codeOf(error)) {
    case 'ER_READ_ONLY_MODE':
    case 'ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION':
      return true
    case 'ER_OPTION_PREVENTS_STATEMENT': // of other options, too
      return /read.only/i.test(messageOf(error))
    default:
      return false
  }
}

/** The server, or this user, has as many connections as it may. */
function isCrowded(error: unknown): boolean {
  return ['ER_CON_COUNT_ERROR', 'ER_TOO_MANY_USER_CONNECTIONS', 'ER_USER_LIMIT_REACHED'].includes(
    codeOf(error),
  )
}

function troubleOf(error: unknown): Trouble | undefined {
  switch (codeOf(error)) {
    case 'ER_NO_SUCH_TABLE':
      return 'the table is missing'
    case 'ER_TABLE_EXISTS_ERROR':
      return 'created at once'
    case 'ER_LOCK_DEADLOCK':
    case 'ER_CHECKREAD': // MariaDB's innodb_snapshot_isolation
      return 'conflict'
    default:
      return undefined
  }
}

function operatorTroubleOf(error: unknown): OperatorTrouble | undefined {
  if (isReadOnly(error)) return 'read-only'
  if (!isOfServer(error)) return isTlsTrouble(error) ? 'tls' : undefined
  switch (codeOf(error)) {
    case 'ER_ACCESS_DENIED_ERROR':
    case 'ER_ACCESS_DENIED_NO_PASSWORD_ERROR':
    case 'ER_HOST_NOT_PRIVILEGED':
    case 'ER_NOT_SUPPORTED_AUTH_MODE':
      return 'login'
    case 'ER_BAD_DB_ERROR':
    case 'ER_NO_DB_ERROR':
      return 'no database'
    case 'ER_DBACCESS_DENIED_ERROR':
    case 'ER_TABLEACCESS_DENIED_ERROR':
    case 'ER_COLUMNACCESS_DENIED_ERROR':
      return 'no right'
    case 'ER_BAD_FIELD_ERROR':
      return 'not our table'
    default:
      return undefined
  }
}
