import type { Subject } from './subject.js'
import { azureBearerTokenPolicy } from './subjects/azure-core-rest-pipeline.js'
import { coWechatApi } from './subjects/co-wechat-api.js'
import { constant } from './subjects/constant.js'
import { googleAuthLibrary } from './subjects/google-auth-library.js'
import { tokenThread } from './subjects/token-thread.js'
import { undiciOidcInterceptor } from './subjects/undici-oidc-interceptor.js'

/** TokenThread first, then its peers. */
export const subjects: readonly Subject[] = [
  tokenThread,
  coWechatApi,
  googleAuthLibrary,
  undiciOidcInterceptor,
  azureBearerTokenPolicy,
]

export const withConstant: readonly Subject[] = [constant, ...subjects]
