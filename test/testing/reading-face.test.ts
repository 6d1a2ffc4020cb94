import { once } from 'node:events'
import { startSimulator } from '../../simulator/index.js'
import { TokenThread, TokenThreadError } from '../../src/index.js'
import { fakeTokens } from '../../testing/index.js'
import { describeReadingFace } from './reading-face.js'

describeReadingFace('FakeTokens', () => {
  const tokens = fakeTokens()
  return Promise.resolve({
    tokens,
    id: tokens.id,
    revoke: () => undefined,
    breakReject: () => {
      const failure = { code: 'ERR_TOKEN_REFUSED', message: 'no newer token', retryable: true } as const
      tokens.failNext('reject', new TokenThreadError(failure))
    },
    expire: () => Promise.resolve(tokens.expire()),
    heal: () => void tokens.rotate(),
    dispose: () => tokens.close(),
  })
})

describeReadingFace('TokenThread', async () => {
  const appId = 'wx0000000000000001'
  // Seconds. Short enough to wait for the end; no refresh is due while a slow machine is at the other tests.
  const lives = { expiresIn: 3, renewalWindow: 1 }
  const simulator = await startSimulator({ accounts: [{ appId, appSecret: 'secret' }], ...lives })
  const tokens = await TokenThread.start({ ...simulator.options(appId), logger: false })
  return {
    tokens,
    id: appId,
    revoke: () => simulator.revoke(appId),
    breakReject: () => void simulator.inject({ then: { errcode: -1 } }),
    expire: async () => {
      const expired = once(tokens, 'expired')
      simulator.down()
      await expired
    },
    heal: () => void simulator.up(),
    dispose: async () => {
      await tokens.close()
      await simulator.close()
    },
  }
})
