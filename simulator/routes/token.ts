import { admit, missing } from '../account.js'
import { type Reply, refusal, tokenReply } from '../answers.js'
import type { Call } from '../call.js'
import type { Issue } from '../issuer.js'
import type { World } from '../world.js'

const grantType = 'client_credential'

/** `GET /cgi-bin/token`, the classic call: all in the query. */
export function classicToken(call: Call, world: World): Reply {
  const { query, callerIp } = call
  if (call.method !== 'GET') return refusal(43001, callerIp)
  const credentials = { appId: query.get('appid'), secret: query.get('secret'), callerIp }
  const lacking = missing(credentials)
  if (lacking) return lacking
  if (query.get('grant_type') !== grantType) return refusal(40002, callerIp)
  const account = admit(world.accounts, credentials, 40001)
  if ('outcome' in account) return account
  const now = world.now()
  return issueReply(account.issuer.classic(now), now, callerIp)
}

/** `POST /cgi-bin/stable_token`: all in a JSON body; a body that isn't JSON is one without an AppID. */
export function stableToken(call: Call, world: World): Reply {
  const { json, callerIp } = call
  if (call.method !== 'POST') return refusal(43002, callerIp)
  const credentials = { appId: json?.appid, secret: json?.secret, callerIp }
  const lacking = missing(credentials)
  if (lacking) return lacking
  if (json?.grant_type !== grantType) return refusal(40002, callerIp)
  const account = admit(world.accounts, credentials, 40125)
  if ('outcome' in account) return account
  const now = world.now()
  return issueReply(account.issuer.stable(now, call.forced), now, callerIp)
}

function issueReply(issue: Issue, now: number, callerIp: string): Reply {
  if (issue.outcome === 'refused') return refusal(issue.errcode, callerIp)
  return tokenReply(issue.outcome, issue.token, now)
}
