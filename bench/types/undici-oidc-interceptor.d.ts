/** undici-oidc-interceptor has no types of its own: what is used of it here. */
declare module 'undici-oidc-interceptor' {
  import type { Dispatcher } from 'undici'

  export function createOidcInterceptor(options: {
    readonly idpTokenUrl: string
    readonly clientId: string
    readonly clientSecret: string
    /** Origins that get the token. */
    readonly urls: readonly string[]
    readonly retryOnStatusCodes?: readonly number[]
  }): Dispatcher.DispatcherComposeInterceptor
}
