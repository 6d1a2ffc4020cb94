import { accountKey } from './account-key.js'
import type { Provider } from './provider.js'
import { readWechat, WECHAT_DAY_OFFSET, WECHAT_REQUEST_SIDE } from './wechat.js'

/** ms: 30 s by WeChat's clock, and one for the way there: the first of two calls may arrive late. */
const FORCE_SPACING = 31_000

/**
 * `POST /cgi-bin/stable_token`: all normal calls get the same token; a forced one brings a new token at once,
 * 20 times a day, 30 s apart. Source: WeChat's getStableAccessToken page.
 */
export const wechatStable: Provider = {
  limits: { perDay: 500_000, dayOffset: WECHAT_DAY_OFFSET, force: { perDay: 20, spacing: FORCE_SPACING } },
  requestSide: WECHAT_REQUEST_SIDE,
  retires: false,
  accountKey: ({ appId }) => accountKey('wechat', 'stable', appId),
  ask: ({ appId, appSecret }, forced) => ({
    method: 'POST',
    path: '/cgi-bin/stable_token',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      grant_type: 'client_credential',
      appid: appId,
      secret: appSecret,
      force_refresh: forced,
    }),
  }),
  read: readWechat,
}
