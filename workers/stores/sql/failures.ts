import { messageOf, withoutSecrets } from '../../../src/errors.js'
import { StoreOperatorError } from '../store-error.js'
import { secretsOfUrl } from '../url-secrets.js'
import { type SqlDialect, TABLE } from './schema.js'

/** What an error means to an operator; undefined: nothing, it passes or is a bug. */
export type OperatorTrouble =
  | 'login'
  | 'no database'
  | 'no right'
  | 'not our table'
  | 'tls'
  /** It passes where a failover is under way, and is an operator's matter where the URL leads to a replica. */
  | 'read-only'

/**
 * The error that the caller gets. It is logged, and servers and drivers quote what they were given: neither the URL's
 * password nor a token may be in it.
 */
export function explained(
  dialect: SqlDialect,
  error: unknown,
  secrets: readonly string[],
  trouble: OperatorTrouble | undefined,
): Error {
  if (error instanceof StoreOperatorError) return error
  const message = withoutSecrets(messageOf(error) || codeOf(error), secrets)
  if (!trouble) return new Error(message)
  const mended = `${message}: ${mendOf(trouble, dialect)}`
  return trouble === 'read-only' ? new Error(mended) : new StoreOperatorError(mended)
}

function mendOf(trouble: OperatorTrouble, dialect: SqlDialect): string {
  const migration = `\`token-thread schema ${dialect}\``
  switch (trouble) {
    case 'login':
      return 'see to user and password in the store’s url'
    case 'no database':
      return 'create the database, or name another one in the store’s url'
    case 'no right':
      return `grant SELECT, INSERT and UPDATE of the table ${TABLE}; ${migration} prints what creates it`
    case 'not our table':
      return `the table ${TABLE} is not as ${migration} prints it: rename it, or use a database of its own`
    case 'tls':
      return `see to ${TLS_PARAMETERS[dialect]} in the store’s url`
    case 'read-only':
      return 'this server is read-only: the url must lead to the primary'
  }
}

const TLS_PARAMETERS: Readonly<Record<SqlDialect, string>> = {
  postgres: 'sslmode, sslrootcert, sslcert and sslkey',
  mysql: 'ssl',
  sqlite: 'nothing',
}

/** Whether a connection failed at its certificates, or at a server without TLS. */
export function isTlsTrouble(error: unknown): boolean {
  return (
    /^(ERR_OSSL_|ERR_TLS_|HANDSHAKE_NO_SSL)/.test(codeOf(error)) ||
    /certificate|does not support SSL/i.test(messageOf(error))
  )
}

/** PostgreSQL's SQLSTATE, MySQL's and Node's name of an error. */
export function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : ''
}

/** Of a database's URL; throws where it is none, without quoting it. */
export function secretsOf(url: string): readonly string[] {
  if (!URL.canParse(url)) throw new StoreOperatorError('the store’s url is not a URL')
  return secretsOfUrl(url)
}

/**
 * What a driver says of its URL before it connects at all. It quotes what it can't read, a private key too: of the
 * parameters' values nothing is shown. `mend`: how this driver's parameters should look.
 */
export function urlRefused(error: unknown, url: string, mend: string): StoreOperatorError {
  if (error instanceof URIError)
    return new StoreOperatorError(
      'the store’s url has a % that escapes nothing: write one in user, password or database as %25',
    )
  const { searchParams } = new URL(url)
  const [file] = [...searchParams].find(([, value]) => value === pathOf(error)) ?? []
  if (file !== undefined)
    return new StoreOperatorError(
      `the file that ${file} in the store’s url names can’t be read (${codeOf(error)}): see to its path and its rights`,
    )
  // From the first quotation mark to the last one: in between may stand anything.
  const unquoted = messageOf(error).replace(/'.*'|".*"/s, '…')
  const said = withoutSecrets(unquoted, [...searchParams.values(), ...secretsOfUrl(url)])
  return new StoreOperatorError(`the driver does not take the store’s url (${said}): ${mend}`)
}

/** Of the file that a system error is about. */
function pathOf(error: unknown): unknown {
  return error instanceof Error && 'path' in error ? error.path : undefined
}
