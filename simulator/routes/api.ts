import type { Account } from '../account.js'
import { type Refusal, type Reply, refusal } from '../answers.js'
import type { Call } from '../call.js'
import { refusalOf } from '../issued.js'
import type { World } from '../world.js'

/** An access token has these characters and at least so many: a shorter one was truncated on its way. */
const wellFormed = /^[A-Za-z0-9_-]{100,512}$/

/** The account whose token the call carries, or why that token is refused. */
export function holder(call: Call, world: World): Account | Refusal {
  const accessToken = call.query.get('access_token') ?? ''
  if (accessToken === '') return refusal(41001, call.callerIp)
  if (!wellFormed.test(accessToken)) return refusal(40014, call.callerIp)
  const token = world.issued.find(accessToken)
  const account = token && world.accounts.get(token.appId)
  if (!account) return refusal(40001, call.callerIp)
  const errcode = refusalOf(token, world.now())
  return errcode === undefined ? account : refusal(errcode, call.callerIp)
}

/** Any call that needs a token and has no route of its own. */
export function ordinaryCall(call: Call, world: World): Reply {
  const account = holder(call, world)
  if ('outcome' in account) return account
  if (call.path === '/cgi-bin/getcallbackip') return { outcome: 'ok', body: { ip_list: ['127.0.0.1'] } }
  return { outcome: 'ok', body: { errcode: 0, errmsg: 'ok' } }
}

/** `GET /cgi-bin/ticket/getticket?type=jsapi|wx_card` */
export function ticket(call: Call, world: World): Reply {
  const account = holder(call, world)
  if ('outcome' in account) return account
  const type = call.query.get('type') ?? ''
  if (type !== 'jsapi' && type !== 'wx_card') return refusal(40097, call.callerIp)
  const found = account.tickets.get(type, world.now(), world.lives)
  const body = { errcode: 0, errmsg: 'ok', ticket: found.ticket, expires_in: found.expiresIn }
  return { outcome: 'ok', body }
}
