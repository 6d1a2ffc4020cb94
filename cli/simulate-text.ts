import type { CallEvent } from '../simulator/index.js'
import type { SimulateOptions } from './simulate-options.js'

/** What is said first: where it listens, and what to do with it. */
export function startText(url: string, { appId, appSecret, json }: SimulateOptions): string {
  if (json) return JSON.stringify({ url, appId, appSecret })
  const stable = JSON.stringify({ grant_type: 'client_credential', appid: appId, secret: appSecret })
  const fault = JSON.stringify({ times: 1, then: { errcode: -1 } })
  return `WeChat simulator on ${url}

  AppID      ${appId}
  AppSecret  ${appSecret}

Use it from token-thread:
  WECHAT_APPID=${appId} WECHAT_APPSECRET=${appSecret} node app.js
  TokenThread.start({ baseUrl: '${url}' })

Get a token, stable or classic, and use it:
  curl -d '${stable}' ${url}/cgi-bin/stable_token
  curl '${url}/cgi-bin/token?grant_type=client_credential&appid=${appId}&secret=${appSecret}'
  curl '${url}/cgi-bin/getcallbackip?access_token=TOKEN'

Make the next token call fail, see the counts, take all faults back:
  curl -d '${fault}' ${url}/_control/inject
  curl ${url}/_control/counters
  curl -X POST ${url}/_control/clear

Ctrl-C stops it. Calls:`
}

/**
 * One line for a call. It holds no token, no secret, and no AppID but the account's own: a client that mixes up
 * its settings sends its secret in the AppID's place.
 */
export function callLine(call: CallEvent, { appId, json }: SimulateOptions): string {
  const time = new Date(call.at)
  const account = call.appId === appId ? appId : undefined
  if (json) return JSON.stringify({ ...call, at: time.toISOString(), appId: account })
  const { path, forced, outcome, errcode } = call
  const result = `${outcome}${errcode === undefined ? '' : ` ${errcode}`}${forced ? ' (forced)' : ''}`
  const clock = `${time.toTimeString().slice(0, 8)}.${String(time.getMilliseconds()).padStart(3, '0')}`
  return `${clock}  ${path.slice(0, 60).padEnd(26)}  ${account ?? 'no known account'}  ${result}`
}
