import { type Account, admit, missing } from '../account.js'
import { type Refusal, type Reply, refusal } from '../answers.js'
import type { Call } from '../call.js'
import type { World } from '../world.js'
import { holder } from './api.js'

/**
 * `/cgi-bin/clear_quota?access_token=` and, without a token, `POST /cgi-bin/clear_quota/v2` with `appid` and
 * `appsecret` (JSON body or query). Ten a month, both together.
 */
export function clearQuota(call: Call, world: World): Reply {
  const account = call.path === '/cgi-bin/clear_quota/v2' ? bySecret(call, world) : holder(call, world)
  if ('outcome' in account) return account
  if (!account.issuer.clearQuota(world.now())) return refusal(48006, call.callerIp)
  return { outcome: 'ok', body: { errcode: 0, errmsg: 'ok' } }
}

function bySecret({ method, json, query, callerIp }: Call, { accounts }: World): Account | Refusal {
  if (method !== 'POST') return refusal(43002, callerIp)
  const appId = json?.appid ?? query.get('appid')
  const secret = json?.appsecret ?? query.get('appsecret')
  const credentials = { appId, secret, callerIp }
  return missing(credentials) ?? admit(accounts, credentials, 40125)
}
