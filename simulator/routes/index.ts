import { type Reply, refusal } from '../answers.js'
import type { Call } from '../call.js'
import type { World } from '../world.js'
import { ordinaryCall, ticket } from './api.js'
import { clearQuota } from './quota.js'
import { classicToken, stableToken } from './token.js'

/** The answer to a call, by WeChat's rules. */
export function route(call: Call, world: World): Reply {
  switch (call.kind) {
    case 'token':
      return classicToken(call, world)
    case 'stable_token':
      return stableToken(call, world)
    case 'ticket':
      return ticket(call, world)
    case 'quota':
      return clearQuota(call, world)
    case 'api':
      return /^\/(cgi-bin|wxa)\//.test(call.path) ? ordinaryCall(call, world) : notFound(call)
  }
}

/** Not WeChat's path: also what a client finds that follows an injected redirect. */
const notFound = ({ callerIp }: Call): Reply => ({ ...refusal(-1, callerIp, 'no such path'), status: 404 })
