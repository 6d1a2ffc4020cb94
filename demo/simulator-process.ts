import { startSimulator } from '../simulator/index.js'

/** WeChat, simulated, in a process of its own: the demo blocks its own event loop, and WeChat must not stand still. */

const ACCOUNT = { appId: 'wx0123456789abcdef', appSecret: 'secret-of-the-demo' }

const simulator = await startSimulator({ accounts: [ACCOUNT], expiresIn: 3, renewalWindow: 1, overlap: 1 })
simulator.inject({ delay: 200 })
process.send?.({ options: simulator.options(ACCOUNT.appId) })
process.on('disconnect', () => void simulator.close())
