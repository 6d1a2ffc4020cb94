import { parseArgs } from 'node:util'
import { startSimulator } from '../simulator/index.js'
import type { Arrival, FromTokenServer } from './token-server.js'

/** The process that `startTokenServer` starts: the simulator, and when each token request arrived. */

const { values } = parseArgs({
  options: {
    account: { type: 'string', multiple: true, default: [] },
    'expires-in': { type: 'string', default: '7200' },
    'renewal-window': { type: 'string', default: '300' },
    overlap: { type: 'string', default: '300' },
    gzip: { type: 'boolean', default: false },
  },
})
const sim = await startSimulator({
  accounts: values.account.map((appId) => ({ appId, appSecret: 'secret' })),
  expiresIn: Number(values['expires-in']),
  renewalWindow: Number(values['renewal-window']),
  overlap: Number(values.overlap),
  gzip: values.gzip,
})
const arrivals: Arrival[] = []
sim.on('request', ({ appId = '', at }) => arrivals.push({ appId, at }))

const say = (message: FromTokenServer): void => {
  process.send?.(message)
}
process.on('message', () => say({ type: 'report', arrivals }))
process.on('disconnect', () => process.exit())
say({ type: 'listening', url: sim.url })
