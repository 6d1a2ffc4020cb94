import { join } from 'node:path'
import { expect, test } from 'vitest'
import { TokenThread } from '../../src/index.js'
import { cleanUp } from '../support/cleanup.js'
import { APP_ID, APP_SECRET, simulator, threadOn } from '../support/simulated.js'
import { temporaryFolder } from '../support/temporary-folder.js'

/** What a store knows an account by. */

test('one account by whatever id and base URL two processes have for it: one fetch', async () => {
  const sim = await simulator()
  const store = { kind: 'file', path: join(temporaryFolder(), 'tokens.json') } as const
  const tokenBy = async (id: string, baseUrl: string): Promise<string> => {
    const account = { id, appId: APP_ID, appSecret: APP_SECRET, baseUrl }
    const tokens = await TokenThread.start({ store, logger: false, accounts: [account] })
    cleanUp(() => tokens.close())
    return tokens.account(id).get()
  }
  const token = await tokenBy('shop', sim.url)
  expect(await tokenBy('mini', sim.url.replace('127.0.0.1', 'localhost'))).toBe(token)
  expect(sim.counters(APP_ID).tokenCalls).toBe(1)
})

test('two endpoints of one account are two, though one store has both', async () => {
  const sim = await simulator()
  const store = { kind: 'file', path: join(temporaryFolder(), 'tokens.json') } as const
  const stable = await threadOn(sim, { store, endpoint: 'stable' })
  const classic = await threadOn(sim, { store, endpoint: 'classic' })
  expect(classic.get()).not.toBe(stable.get())
  expect(sim.counters(APP_ID).tokenCalls).toBe(2)
})
