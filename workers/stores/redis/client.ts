import type { LookupFunction } from 'node:net'
import { peer } from '../peer.js'

/** What we use of `@redis/client`: its own types come only with the package, which is optional. */
export interface RedisPackage {
  createClient(options: RedisClientOptions): RedisClient
  /** The server's own refusals; all other errors mean that the connection is of no use. */
  readonly ErrorReply: abstract new () => Error
}

export interface RedisClientOptions {
  readonly RESP: 2
  readonly username: string | undefined
  readonly password: string | undefined
  readonly database: number
  readonly disableOfflineQueue: boolean
  readonly disableClientInfo: boolean
  readonly maintNotifications: 'disabled'
  readonly commandOptions: { readonly timeout: undefined }
  readonly socket: {
    readonly host: string
    readonly port: number
    readonly tls: boolean
    readonly lookup: LookupFunction
    readonly connectTimeout: number
    readonly reconnectStrategy: false
    readonly signal: AbortSignal
  }
}

export interface RedisClient {
  on(event: 'error', listener: (error: unknown) => void): unknown
  connect(): Promise<unknown>
  sendCommand(args: readonly string[]): Promise<unknown>
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>
  destroy(): void
}

/** @throws StoreOperatorError where it is not installed */
export function redisPackage(): RedisPackage {
  return peer('@redis/client', '@redis/client', isRedisPackage)
}

function isRedisPackage(module: unknown): module is RedisPackage {
  return (
    typeof module === 'object' &&
    module !== null &&
    'createClient' in module &&
    typeof module.createClient === 'function' &&
    'ErrorReply' in module &&
    typeof module.ErrorReply === 'function'
  )
}
