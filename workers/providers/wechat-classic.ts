import { accountKey } from './account-key.js'
import type { Provider } from './provider.js'
import { readWechat, WECHAT_DAY_OFFSET, WECHAT_REQUEST_SIDE } from './wechat.js'

/**
 * `GET /cgi-bin/token`: each call makes a new token and retires the last one, with 5 minutes of overlap; 2000 a day.
 * Source: WeChat's getAccessToken page.
 */
export const wechatClassic: Provider = {
  limits: { perDay: 2000, dayOffset: WECHAT_DAY_OFFSET, force: undefined },
  requestSide: WECHAT_REQUEST_SIDE,
  retires: true,
  accountKey: ({ appId }) => accountKey('wechat', 'classic', appId),
  ask: ({ appId, appSecret }) => ({
    method: 'GET',
    path: `/cgi-bin/token?${new URLSearchParams({ grant_type: 'client_credential', appid: appId, secret: appSecret }).toString()}`,
    headers: {},
    body: undefined,
  }),
  read: readWechat,
}
