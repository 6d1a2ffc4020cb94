import { parseArgs } from 'node:util'
import { startSimulator } from '../simulator/index.js'
import type { Arrival, FromTokenServer, ToTokenServer } from './token-server.js'

/** The process that `startTokenServer` starts: the simulator, and when each token request arrived. */

const { values } = parseArgs({
  options: {
    account: { type: 'string', multiple: true, default: [] },
    'expires-in': { type: 'string', default: '7200' },
    'renewal-window': { type: 'string', default: '300' },
    overlap: { type: 'string', default: '300' },
    'token-call': { type: 'string', default: '0' },
    'daily-limit': { type: 'string', default: '2000' },
    gzip: { type: 'boolean', default: false },
  },
})
const sim = await startSimulator({
  accounts: values.account.map((appId) => ({ appId, appSecret: 'secret' })),
  expiresIn: Number(values['expires-in']),
  renewalWindow: Number(values['renewal-window']),
  overlap: Number(values.overlap),
  gzip: values.gzip,
  dailyLimit: Number(values['daily-limit']),
})
if (Number(values['token-call']) > 0) sim.inject({ on: 'token', delay: Number(values['token-call']) })
const arrivals: Arrival[] = []
sim.on('request', ({ kind, appId = '', at }) => {
  if (kind === 'token' || kind === 'stable_token') arrivals.push({ appId, at })
})

const say = (message: FromTokenServer): void => {
  process.send?.(message)
}
process.on('message', (message: ToTokenServer) => {
  if (message === 'revoke') for (const appId of values.account) sim.revoke(appId)
  say({ type: 'report', arrivals })
})
process.on('disconnect', () => process.exit())
say({ type: 'listening', url: sim.url })
