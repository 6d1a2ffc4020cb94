/** Where tokens survive a restart, and what the processes of a fleet share. */
export type StoreOptions =
  MemoryStoreOptions | FileStoreOptions | SqlStoreOptions | RedisStoreOptions | ModuleStoreOptions

interface EncryptionOptions {
  /**
   * Encrypts tokens at rest, AES-256-GCM bound to the account: 32 bytes as a Buffer or in base64, or a list of such
   * keys: the first one writes, all read. Default: none.
   */
  encryptionKey?: EncryptionKey | readonly EncryptionKey[] | undefined
}

export type EncryptionKey = string | Uint8Array

export interface MemoryStoreOptions {
  /** The default: a token lives as long as its process. */
  kind: 'memory'
}

export interface FileStoreOptions extends EncryptionOptions {
  /** One file (mode 0600) on a local disk, for the processes of one machine; `sqlite` from Node 22.13. */
  kind: 'file' | 'sqlite'
  /** A path or file URL; its folder is made where there is none. */
  path: string | URL
}

export interface SqlStoreOptions extends EncryptionOptions {
  /** Needs `pg` or `mysql2` (MariaDB too), and `kysely`. */
  kind: 'postgres' | 'mysql'
  /** As in `postgres://user:password@host:5432/database`; the password is never shown. */
  url: string | URL
}

export interface RedisStoreOptions extends EncryptionOptions {
  /** Needs `@redis/client`. */
  kind: 'redis'
  /** `redis://` or, with TLS, `rediss://`; several of a cluster's nodes, or of its sentinels. */
  url: string | URL | readonly (string | URL)[]
  /** The URLs are nodes of a Redis Cluster. Default: false. */
  cluster?: boolean | undefined
  /** The URLs are Sentinels, and this is the master's name. Default: none. */
  sentinel?: string | undefined
}

export interface ModuleStoreOptions extends EncryptionOptions {
  /** A store of your own. */
  kind: 'module'
  /** A module that default-exports an `OpenStore`: a file URL, an absolute path or a package's name. */
  url: string | URL
  /** What `OpenStore` gets as `options`: anything that can be cloned to the thread. */
  options?: unknown
}
