import { expect, test } from 'vitest'
import { type SimulatorOptions, startSimulator } from '../../simulator/index.js'
import { appId, appSecret, start } from './help.js'

const accounts = [{ appId, appSecret }]

test.each<[string, Record<string, unknown>, string]>([
  ['no accounts', {}, 'accounts must be a list'],
  ['an empty list', { accounts: [] }, 'accounts must hold at least one'],
  ['an account without a secret', { accounts: [{ appId }] }, 'accounts[0].appSecret must be a string'],
  ['a misspelt account field', { accounts: [{ appId, appSecret, allowedIP: [] }] }, 'allowedIP is not known'],
  ['an AppID twice', { accounts: [...accounts, ...accounts] }, 'twice'],
  ['a misspelt option', { accounts, expiresin: 1 }, 'expiresin is not known'],
  ['a life of nothing', { accounts, expiresIn: 0 }, 'expiresIn must be a number from'],
  ['NaN', { accounts, overlap: NaN }, 'overlap must be a number from'],
  ['a negative floor', { accounts, forceFloor: -1 }, 'forceFloor must be a number from'],
  ['half a call', { accounts, dailyLimit: 0.5 }, 'dailyLimit must be a whole number'],
  [
    'a window as long as the life',
    { accounts, expiresIn: 10, renewalWindow: 10 },
    'renewalWindow must be shorter',
  ],
  ['a host for all to see', { accounts, host: '0.0.0.0' }, 'host must be loopback'],
  [
    'a name that only looks like loopback',
    { accounts, host: '127.0.0.1.example.com' },
    'host must be loopback',
  ],
  ['no port', { accounts, port: 70_000 }, 'port must be a number from 0 to 65535'],
  ['no clock', { accounts, now: 5 }, 'now must be a function'],
  ['a word for a flag', { accounts, gzip: 'yes' }, 'gzip must be true or false'],
])('%s is refused, by its name', async (_, options, message) => {
  const given: SimulatorOptions = { accounts, ...options }
  if (!('accounts' in options)) Reflect.deleteProperty(given, 'accounts')
  await expect(startSimulator(given)).rejects.toThrow(message)
})

test('options fit WeChat’s own lives', async () => {
  const simulator = await start()
  expect(simulator.options(appId)).toEqual({
    ...{ appId, appSecret, baseUrl: simulator.url, refreshAhead: 200_000, timeout: 10_000 },
    retry: { minDelay: 1000, maxDelay: 60_000 },
  })
})

test.each([
  [2, 55, 50, 1, 16],
  [60, 1666, 1249, 8, 500],
  [0.05, 1, 50, 1, 1],
])('options fit a life of %d s', async (expiresIn, refreshAhead, timeout, minDelay, maxDelay) => {
  const simulator = await start({ expiresIn })
  const fitting = { refreshAhead, timeout, retry: { minDelay, maxDelay } }
  expect(simulator.options(appId)).toMatchObject(fitting)
})

test('options refresh in the second half of a life, whatever the window', async () => {
  const simulator = await start({ expiresIn: 10, renewalWindow: 9 })
  expect(simulator.options(appId).refreshAhead).toBe(5000)
})

test('options follow setExpiresIn, which refuses what can’t be', async () => {
  const simulator = await start({ overlap: 1 })
  simulator.setExpiresIn(2)
  expect(simulator.options(appId).refreshAhead).toBe(55)
  expect(() => simulator.setExpiresIn(0)).toThrow('expiresIn must be a number from')
})

test('an account that is not there is told', async () => {
  const simulator = await start()
  for (const ask of ['options', 'counters', 'current', 'rotate', 'revoke'] as const) {
    expect(() => simulator[ask]('wx9')).toThrow('wx9 is no account of this simulator')
  }
  expect(() => simulator.setSecret('wx9', 'x')).toThrow('wx9 is no account')
})
