import type { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Encoded, encode, send } from './answers.js'
import { type Call, readBody, readCall } from './call.js'
import type { CallEvent, RequestEvent, SimulatorEvents } from './events.js'
import { answerFault } from './fault-answers.js'
import type { Strike } from './faults.js'
import { route } from './routes/index.js'
import type { World } from './world.js'

type Outcome = Pick<CallEvent, 'outcome' | 'errcode'>

/** One request and its answer: faults first, then WeChat's rules. */
export async function exchange(
  world: World,
  events: EventEmitter<SimulatorEvents>,
  url: URL,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const gone = new Promise<void>((resolve) => res.once('close', resolve))
  const body = await readBody(req)
  if (body === undefined) {
    req.destroy()
    return
  }
  const call = readCall(req, url, body, (accessToken) => world.issued.find(accessToken)?.appId)
  const strike = world.faults.strike(call)
  world.tally.arrived(call)
  if (strike) world.tally.struck(call)
  const { kind, path, appId, forced } = call
  const seen = { kind, path, ...(appId !== undefined && { appId }), forced }
  const request: RequestEvent = { ...seen, at: world.now() }
  events.emit('request', request)
  const outcome = strike ? await answerStruck(world, call, strike, res, gone) : answer(world, call, res)
  events.emit('call', { ...seen, at: world.now(), ...outcome })
}

function answer(world: World, call: Call, res: ServerResponse): Outcome {
  const reply = route(call, world)
  world.tally.answered(call, reply.outcome)
  send(res, reply, world.gzip)
  return reply.outcome === 'refused'
    ? { outcome: 'refused', errcode: reply.errcode }
    : { outcome: reply.outcome }
}

async function answerStruck(
  world: World,
  call: Call,
  strike: Strike,
  res: ServerResponse,
  gone: Promise<void>,
): Promise<Outcome> {
  await strike.wait(gone)
  // Who left while waiting gets no token: the request was still on its way. `half-body` is for lost answers.
  if (res.destroyed) return { outcome: 'faulted' }
  if (strike.then === undefined) return answer(world, call, res)
  const normal = (): Encoded => {
    const reply = route(call, world)
    world.tally.answered(call, reply.outcome)
    return encode(reply.body, world.gzip)
  }
  if (typeof strike.then === 'object' && 'errcode' in strike.then) world.tally.answered(call, 'refused')
  const errcode = answerFault(strike.then, { res, callerIp: call.callerIp, gzip: world.gzip, normal })
  return { outcome: 'faulted', ...(errcode !== undefined && { errcode }) }
}
