import { isIP } from 'node:net'
import { StoreOperatorError } from '../store-error.js'

/** A server, and how it is talked to. */
export interface Target {
  readonly host: string
  readonly port: number
  readonly tls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
  readonly database: number
}

/**
 * Of `redis://user:password@host:6379/0`, or `rediss://` with TLS; the URL itself was checked when the options were read.
 * @throws StoreOperatorError where the path is no database number, or user or password can't be decoded
 */
export function targetOf(text: string): Target {
  const { protocol, hostname, port, username, password, pathname } = new URL(text)
  const path = pathname.slice(1)
  if (!/^\d*$/.test(path))
    throw new StoreOperatorError('the path of store.url must be the number of a Redis database, as in /0')
  return {
    host: hostname === '' ? '127.0.0.1' : hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? 6379 : Number(port),
    tls: protocol === 'rediss:',
    username: username === '' ? undefined : decoded(username),
    password: password === '' ? undefined : decoded(password),
    database: Number(path),
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new StoreOperatorError(
      'user and password in store.url must be percent-encoded (encodeURIComponent): a % that is one is written %25',
    )
  }
}

/** For a message: never with user and password. */
export function placeOf({ host, port }: Target): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

/** Another server, reached with the same credentials. */
export function elsewhere(target: Target, host: string, port: number): Target {
  return { ...target, host, port }
}
