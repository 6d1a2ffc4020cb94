export { ERROR_MENDS, type ErrorCode, TokenThreadError } from './errors.js'
export { type TokenInterceptor, tokenInterceptor, type TokenInterceptorOptions } from './interceptor.js'
export type { Logger } from './logger.js'
export type { AccountOptions, NamedAccountOptions, RetryOptions, TokenThreadOptions } from './options.js'
export type { OnStoreDown, RequestSide } from './protocol.js'
export type { ReadyOptions, RefreshOptions, TokenReader, TokenSourceEvents } from './reader.js'
export { redactedUrlAttributes, redactUrl } from './redact.js'
export type { AccountStatus, ThreadStatus, TokenState } from './status.js'
export type {
  Acquired,
  Awaitable,
  LeaseWanted,
  Notice,
  OpenStore,
  PublishedToken,
  Store,
  StoreContext,
  Stored,
  StoredRetry,
  StoredSpent,
  StoredToken,
} from './store.js'
export type {
  EncryptionKey,
  FileStoreOptions,
  MemoryStoreOptions,
  ModuleStoreOptions,
  RedisStoreOptions,
  SqlStoreOptions,
  StoreOptions,
} from './store-options.js'
export { subscribeTokens, type SubscribeOptions, type TokenSubscription } from './subscribe.js'
export type { Token } from './token.js'
export type { TokenSource } from './token-source.js'
export { TokenThread, type TokenThreadEvents } from './token-thread.js'
