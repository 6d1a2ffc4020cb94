import { connect, type Socket } from 'node:net'
import { createSecureContext, type SecureVersion } from 'node:tls'
import type * as mysql from 'mysql2'
import { peer } from '../peer.js'
import { Loss } from './deferred.js'
import { urlRefused } from './failures.js'
import type { Compiled } from './kysely.js'
import { type Answer, type Line, noLine } from './lines.js'

export type Mysql = typeof mysql

export function loadMysql(): Mysql {
  return peer('mysql2', 'kysely mysql2', isMysql)
}

interface LineOptions {
  readonly url: string
  /** ms; so long the server itself waits for another's lock. */
  readonly lockTimeout: number
}

/** One connection. TLS and the rest of what `mysql2` reads from a URL (`ssl`, `socketPath`) is left to it. */
export function mysqlLine(mysql: Mysql, options: LineOptions): Line {
  try {
    return opened(mysql, options)
  } catch (error) {
    return noLine(urlRefused(error, options.url, MEND))
  }
}

const MEND = `see to its parameters; ssl is a JSON of TLS’s options, as ?ssl={"rejectUnauthorized":true}`

function opened(mysql: Mysql, { url, lockTimeout }: LineOptions): Line {
  const loss = new Loss()
  const sockets: Socket[] = []
  const connection = mysql.createConnection({
    uri: url,
    supportBigNumbers: true,
    // Ours, to be destroyed: the driver's own destroy() only says goodbye, which a stopped server does not hear.
    stream: ({ config }: { config: Place }) => {
      const socket = config.socketPath
        ? connect(config.socketPath)
        : connect(config.port ?? 3306, config.host)
      socket.setNoDelay(true).setKeepAlive(true)
      socket.on('close', () => loss.lose(new Error('the connection to the database was closed')))
      sockets.push(socket)
      return socket
    },
  })
  const destroy = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  // Without a listener the server's going would end the thread.
  connection.on('error', (error: Error) => {
    loss.lose(error)
    destroy()
  })
  try {
    checkTls(connection.config.ssl)
  } catch (error) {
    destroy()
    throw error
  }
  const ready = loss.orLost(prepared(connection, lockTimeout))
  ready.catch(destroy)
  return {
    ready,
    isLost: () => loss.isLost,
    onLost: (callback) => loss.onLost(callback),
    run: (query) => loss.orLost(ask(connection, query)),
    end: () => new Promise((resolve) => connection.end(() => resolve())),
    destroy,
  }
}

/** The driver would do so only when the server has answered, and nobody could catch what that throws. */
function checkTls(ssl: mysql.ConnectionOptions['ssl']): void {
  if (typeof ssl !== 'object') return
  const { ca, cert, ciphers, key, passphrase, minVersion, maxVersion } = ssl
  createSecureContext({
    ...{ ca, cert, ciphers, key, passphrase },
    minVersion: versionOf(minVersion),
    maxVersion: versionOf(maxVersion),
  })
}

function versionOf(name: string | undefined): SecureVersion | undefined {
  const version = VERSIONS.find((one) => one === name)
  if (name !== undefined && !version) throw new TypeError('minVersion and maxVersion must be versions of TLS')
  return version
}

const VERSIONS: readonly SecureVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']

interface Place {
  readonly socketPath?: string
  readonly host?: string
  readonly port?: number
}

/**
 * Whatever the server's defaults are: each statement is committed by itself, so that none reads from a snapshot that
 * an earlier one left open, and a value that does not fit is an error.
 */
async function prepared(connection: mysql.Connection, lockTimeout: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    connection.connect((error) => (error ? reject(error) : resolve()))
  })
  const seconds = Math.max(1, Math.ceil(lockTimeout / 1_000))
  await new Promise<void>((resolve, reject) => {
    connection.query(
      `set autocommit = 1, sql_mode = 'STRICT_ALL_TABLES', innodb_lock_wait_timeout = ${seconds}`,
      (error) => (error ? reject(error) : resolve()),
    )
  })
}

/** As a prepared statement: values are sent apart from the text, whatever the server takes for an escape. */
function ask(connection: mysql.Connection, { sql, parameters }: Compiled): Promise<Answer> {
  return new Promise((resolve, reject) => {
    connection.execute({ sql, values: [...parameters] }, (error: Error | null, result: unknown) => {
      if (error) reject(error)
      else if (Array.isArray(result)) resolve({ rows: result, changed: 0 })
      else resolve({ rows: [], ...changeIn(result) })
    })
  })
}

function changeIn(result: unknown): Pick<Answer, 'changed' | 'insertId'> {
  if (typeof result !== 'object' || result === null || !('affectedRows' in result) || !('insertId' in result))
    throw new Error('the database gave no count of rows')
  return { changed: Number(result.affectedRows), insertId: result.insertId }
}

function isMysql(module: unknown): module is Mysql {
  return typeof module === 'object' && module !== null && 'createConnection' in module
}
