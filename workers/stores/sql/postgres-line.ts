import { Socket } from 'node:net'
import type * as pg from 'pg'
import { peer } from '../peer.js'
import type { Compiled } from './kysely.js'
import { Loss } from './deferred.js'
import { urlRefused } from './failures.js'
import { type Answer, type Line, noLine } from './lines.js'

export type Pg = typeof pg

export function loadPg(): Pg {
  return peer('pg', 'kysely pg', isPg)
}

interface LineOptions {
  readonly url: string
  /** ms; after that the server itself gives a statement up. 0: not told, as a pooler may refuse it. */
  readonly statementTimeout: number
  readonly onNotice?: (payload: string) => void
}

/**
 * One connection. TLS and the rest of what `pg` reads from a URL (`sslmode`, `sslrootcert`, `host` of a Unix socket)
 * is left to it.
 */
export function postgresLine(pg: Pg, options: LineOptions): Line {
  try {
    return opened(pg, options)
  } catch (error) {
    // The files that the URL names are read anew for each connection.
    return noLine(urlRefused(error, options.url, 'see to its parameters, as sslmode and sslrootcert'))
  }
}

function opened({ Client }: Pg, { url, statementTimeout, onNotice }: LineOptions): Line {
  // Ours, to be destroyed: the client's own end() waits for the server.
  const socket = new Socket()
  const loss = new Loss()
  socket.on('close', () => loss.lose(new Error('the connection to the database was closed')))
  const client = new Client({
    connectionString: url,
    stream: () => socket,
    keepAlive: true,
    fallback_application_name: 'token-thread',
    ...(statementTimeout > 0 && { statement_timeout: statementTimeout }),
  })
  // Without a listener the server's going would end the thread.
  client.on('error', (error) => {
    loss.lose(error)
    socket.destroy()
  })
  client.on('notification', ({ payload }) => onNotice?.(payload ?? ''))
  const ready = loss.orLost(client.connect()).then(() => undefined)
  ready.catch(() => socket.destroy())
  return {
    ready,
    isLost: () => loss.isLost,
    onLost: (callback) => loss.onLost(callback),
    run: ({ sql, parameters }: Compiled) => loss.orLost(ask(client, sql, parameters)),
    end: () => client.end(),
    destroy: () => socket.destroy(),
  }
}

async function ask(client: pg.Client, sql: string, parameters: readonly unknown[]): Promise<Answer> {
  const { rows, rowCount } = await client.query<object>(sql, [...parameters])
  return { rows, changed: rowCount ?? 0 }
}

function isPg(module: unknown): module is Pg {
  return typeof module === 'object' && module !== null && 'Client' in module
}
