import { messageOf, withoutSecrets } from '../../../src/errors.js'
import { StoreOperatorError } from '../store-error.js'
import { type SqlDialect, TABLE } from './schema.js'

/** What an error means to an operator; undefined: nothing, it passes or is a bug. */
export type OperatorTrouble = 'login' | 'no database' | 'no right' | 'not our table'

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
  return trouble ? new StoreOperatorError(`${message}: ${mendOf(trouble, dialect)}`) : new Error(message)
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
  }
}

/** PostgreSQL's SQLSTATE, MySQL's and Node's name of an error. */
export function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : ''
}

/** Of a database's URL; throws where it is none, without quoting it. */
export function passwordsOf(url: string): readonly string[] {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    throw new StoreOperatorError('the store’s url is not a URL')
  }
  const passwords = [parsed.password, parsed.searchParams.get('password') ?? '']
  return passwords.flatMap((password) => [password, decoded(password)]).filter((password) => password !== '')
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
