import type { Endpoint } from '../../src/protocol.js'
import type { Provider } from './provider.js'
import { wechatClassic } from './wechat-classic.js'
import { wechatStable } from './wechat-stable.js'

export const PROVIDERS: Readonly<Record<Endpoint, Provider>> = {
  stable: wechatStable,
  classic: wechatClassic,
}
