import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Environment, readConfig } from '../../src/config.js'
import { TokenThreadError } from '../../src/errors.js'
import { TokenThread } from '../../src/token-thread.js'
import { cleanUp } from '../support/cleanup.js'
import { failureOf } from '../support/outcome.js'
import { VirtualSystem } from '../support/virtual-system.js'

const GOOD = { appId: 'wx1', appSecret: 's1', logger: false } as const

function messageOf(options: unknown, env: Environment = {}): string {
  try {
    readConfig(options, env)
  } catch (error) {
    if (error instanceof TokenThreadError && error.code === 'ERR_OPTIONS') return error.message
    throw error
  }
  throw new Error('no error')
}

describe('the defaults', () => {
  it('are those that the types document', () => {
    expect(readConfig(GOOD, {})).toMatchObject({
      accounts: [
        {
          id: 'wx1',
          appId: 'wx1',
          appSecret: 's1',
          endpoint: 'stable',
          baseUrls: ['https://api.weixin.qq.com/'],
          refreshAhead: 200_000,
          retry: { minDelay: 1_000, maxDelay: 60_000 },
          timeout: 10_000,
          proxy: undefined,
        },
      ],
      startTimeout: 30_000,
      signal: undefined,
      workerUrl: undefined,
      logger: false,
    })
  })

  it('take the account from the environment, options first', () => {
    const env = { WECHAT_APPID: 'wx-env', WECHAT_APPSECRET: 's-env' }
    expect(readConfig({ logger: false }, env).accounts[0]).toMatchObject({
      appId: 'wx-env',
      appSecret: 's-env',
    })
    expect(readConfig({ ...GOOD }, env).accounts[0]).toMatchObject({ appId: 'wx1', appSecret: 's1' })
  })

  it('read the secret from a file, trimmed', () => {
    const folder = mkdtempSync(join(tmpdir(), 'token-thread-'))
    cleanUp(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'secret')
    writeFileSync(file, '  from a file \n')
    const env = { WECHAT_APPID: 'wx', WECHAT_APPSECRET_FILE: file }
    expect(readConfig({ logger: false }, env).accounts[0].appSecret).toBe('from a file')
    expect(readConfig({ logger: false }, { ...env, WECHAT_APPSECRET: 'nearer' }).accounts[0].appSecret).toBe(
      'nearer',
    )
    expect(messageOf({}, { ...env, WECHAT_APPSECRET_FILE: join(folder, 'none') })).toMatch(
      /appSecret.*WECHAT_APPSECRET_FILE/,
    )
    writeFileSync(file, '\n')
    expect(messageOf({}, env)).toMatch(/appSecret is empty/)
  })
})

describe('bad options', () => {
  it.each([
    [{ ...GOOD, appId: undefined }, /appId is missing: pass \{ appId \} or set WECHAT_APPID/],
    [{ ...GOOD, appId: '' }, /appId is empty/],
    [{ ...GOOD, appId: 7 }, /appId must be a string/],
    [{ ...GOOD, appSecret: undefined }, /appSecret is missing: .*WECHAT_APPSECRET/],
    [{ ...GOOD, appSecret: '' }, /appSecret is empty/],
    [{ ...GOOD, appid: 'x' }, /appid is no option: did you mean appId\?/],
    [{ ...GOOD, refresh_ahead: 1 }, /refresh_ahead is no option: did you mean refreshAhead\?/],
    [{ ...GOOD, colour: 1 }, /colour is no option: there are/],
    [{ ...GOOD, endpoint: 'fast' }, /endpoint must be one of 'stable', 'classic'/],
    [{ ...GOOD, baseUrl: 'api.weixin.qq.com' }, /baseUrl 'api.weixin.qq.com' must be a whole URL/],
    [{ ...GOOD, baseUrl: 'ftp://x' }, /baseUrl/],
    [{ ...GOOD, baseUrl: [] }, /baseUrl is an empty list/],
    [{ ...GOOD, baseUrl: ['https://a', 5] }, /baseUrl\[1\]/],
    [{ ...GOOD, baseUrl: 'https://a?b=c' }, /baseUrl must not have a query/],
    [{ ...GOOD, baseUrl: 'https://u:p@a' }, /baseUrl must not hold credentials/],
    [{ ...GOOD, baseUrl: null }, /baseUrl must be a whole URL/],
    [{ ...GOOD, retry: null }, /retry must be an object/],
    [{ ...GOOD, accounts: null }, /accounts must be an array/],
    [{ ...GOOD, proxy: 'http://u:100%zz@h' }, /proxy has credentials with a stray %/],
    [{ ...GOOD, proxy: 'http://%E4%BD:%A0@h' }, /proxy has credentials with a stray %/],
    [{ ...GOOD, workerUrl: 'file://server/w.js' }, /workerUrl names no local file/],
    [{ ...GOOD, workerUrl: 'file:///a%2Fb.js' }, /workerUrl names no local file/],
    [{ ...GOOD, refreshAhead: 300_001 }, /refreshAhead is 300001, more than 300000.*stable/],
    [{ ...GOOD, refreshAhead: 0 }, /refreshAhead is 0/],
    [{ ...GOOD, refreshAhead: '200' }, /refreshAhead must be a number of milliseconds/],
    [{ ...GOOD, refreshAhead: NaN }, /refreshAhead is NaN/],
    [{ ...GOOD, timeout: Infinity }, /timeout is Infinity/],
    [{ ...GOOD, timeout: -5 }, /timeout is -5/],
    [{ ...GOOD, retry: { minDelay: 0 } }, /retry.minDelay is 0/],
    [{ ...GOOD, retry: { minDelay: 5, maxDelay: 4 } }, /retry.maxDelay is 4, less than minDelay/],
    [{ ...GOOD, retry: { mindelay: 4 } }, /retry.mindelay is no option: did you mean minDelay/],
    [{ ...GOOD, retry: 5 }, /retry must be an object/],
    [{ ...GOOD, startTimeout: 0.5 }, /startTimeout is 0.5/],
    [{ ...GOOD, signal: {} }, /signal must be an AbortSignal/],
    [{ ...GOOD, workerUrl: 'worker.js' }, /workerUrl 'worker.js' must be a whole URL that begins with file/],
    [{ ...GOOD, logger: { info: 1 } }, /logger must be false or have the functions/],
    [{ ...GOOD, logger: true }, /logger/],
    [{ ...GOOD, accounts: [] }, /appId stands beside accounts/],
    [{ logger: false, accounts: [] }, /accounts is empty/],
    [{ logger: false, accounts: {} }, /accounts must be an array/],
    [
      { logger: false, accounts: [{ appId: 'a' }] },
      /accounts\[0\].appSecret is missing: give it in accounts\[0\].appSecret/,
    ],
    [
      {
        logger: false,
        accounts: [
          { appId: 'a', appSecret: 'b' },
          { appId: 'a', appSecret: 'b' },
        ],
      },
      /accounts has the id a twice/,
    ],
    [
      { logger: false, accounts: [{ id: '', appId: 'a', appSecret: 'b' }] },
      /accounts\[0\].id must be a non-empty string/,
    ],
    [{ logger: false, accounts: ['a'] }, /accounts\[0\] must be an object/],
    [null, /the options must be an object/],
    ['x', /the options must be an object/],
  ])('%j: names it and the mend', (options, message) => {
    expect(messageOf(options)).toMatch(message)
  })

  it('never show a password', () => {
    const url = messageOf({ ...GOOD, baseUrl: 'ftp://u:pass-word@h' })
    expect(url).toMatch(/^baseUrl must be a whole URL/)
    expect(url).not.toContain('pass-word')
    const message = messageOf({ ...GOOD, proxy: 'socks9://user:pass-word@x' })
    expect(message).toMatch(/^proxy must be a whole URL/)
    expect(message).not.toContain('pass-word')
  })

  it('are refused by start and by the constructor alike, and start no thread', async () => {
    const system = new VirtualSystem()
    const bad = { appId: 'wx1', appSecret: '', logger: false } as const
    const rejected = await failureOf(() => TokenThread.start(bad, system.runtime))
    const thrown = await failureOf(() => new TokenThread(bad, system.runtime))
    expect(rejected.message).toBe(thrown.message)
    expect(rejected.code).toBe('ERR_OPTIONS')
    expect(system.starts).toHaveLength(0)
  })
})

describe('good options', () => {
  it.each([
    { ...GOOD, refreshAhead: 300_000 },
    { ...GOOD, endpoint: 'classic', refreshAhead: 3_000_000 },
    { ...GOOD, retry: { minDelay: 1 } },
    { ...GOOD, retry: { minDelay: 100_000 } },
    { ...GOOD, baseUrl: ['https://a/prefix/', 'http://127.0.0.1:1'] },
    { ...GOOD, proxy: new URL('http://user:pw@127.0.0.1:8080') },
    { ...GOOD, workerUrl: '/srv/app/worker.js' },
    { ...GOOD, workerUrl: new URL('file:///srv/app/worker.js') },
    { ...GOOD, logger: console },
    { ...GOOD, timeout: undefined, retry: undefined, baseUrl: undefined },
  ])('%# are taken', (options) => {
    expect(readConfig(options, {}).accounts).toHaveLength(1)
  })

  it('name each base URL once', () => {
    const baseUrl = ['https://a', 'https://a/', 'https://b']
    expect(readConfig({ ...GOOD, baseUrl }, {}).accounts[0].baseUrls).toEqual(['https://a/', 'https://b/'])
  })

  it('given for all are each account’s defaults', () => {
    const { accounts } = readConfig(
      {
        logger: false,
        timeout: 5_000,
        retry: { minDelay: 2_000, maxDelay: 9_000 },
        endpoint: 'classic',
        accounts: [
          { appId: 'a', appSecret: 'x' },
          {
            id: 'b',
            appId: 'wxb',
            appSecret: 'y',
            timeout: 7_000,
            endpoint: 'stable',
            retry: { minDelay: 3_000, maxDelay: undefined },
          },
        ],
      },
      {},
    )
    expect(accounts[0]).toMatchObject({ id: 'a', timeout: 5_000, endpoint: 'classic' })
    expect(accounts[1]).toMatchObject({
      id: 'b',
      appId: 'wxb',
      timeout: 7_000,
      endpoint: 'stable',
      retry: { minDelay: 3_000, maxDelay: 9_000 },
    })
  })
})
