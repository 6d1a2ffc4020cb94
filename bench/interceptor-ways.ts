/** How requests are sent, each way in a process of its own (`interceptor-client`). */
export const WAYS = [
  'undici alone',
  'undici with tokenInterceptor, query',
  'undici with tokenInterceptor, bearer',
  'undici with an interceptor that does nothing',
  'undici with undici-oidc-interceptor',
  'core-rest-pipeline alone',
  'core-rest-pipeline with bearerTokenAuthenticationPolicy',
] as const
export type Way = (typeof WAYS)[number]
