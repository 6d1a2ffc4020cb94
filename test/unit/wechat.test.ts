import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readConfig } from '../../src/config.js'
import { PROVIDERS } from '../../workers/providers/providers.js'
import type { Answer } from '../../workers/providers/provider.js'
import { ERRCODES } from '../../workers/providers/wechat-errcodes.js'

const [account] = readConfig({ appId: 'wx1', appSecret: 'the secret', logger: false }, {}).accounts
const { stable, classic } = PROVIDERS

function read(body: unknown, status = 200): Answer {
  const raw = Buffer.isBuffer(body)
    ? body
    : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  return stable.read({ status, headers: {}, body: raw }, account)
}

/** The message of a refusal whose errmsg says this, for an account with this secret. */
function messageWith(appSecret: string, errmsg: string): string {
  const body = Buffer.from(JSON.stringify({ errcode: 41004, errmsg }))
  const answer = stable.read({ status: 200, headers: {}, body }, { ...account, appSecret })
  return answer.granted ? '' : answer.failure.message
}

const refusal = (errcode: number, errmsg = 'x'): Extract<Answer, { granted: false }> => {
  const answer = read({ errcode, errmsg })
  if (answer.granted) throw new Error('granted')
  return answer
}

describe('asking', () => {
  it('is a POST with a JSON body on stable, a GET with an encoded query on classic', () => {
    const { method, path, headers, body } = stable.ask(account, true)
    expect({ method, path, headers }).toEqual({
      method: 'POST',
      path: '/cgi-bin/stable_token',
      headers: { 'content-type': 'application/json' },
    })
    expect(JSON.parse(body ?? '')).toEqual({
      grant_type: 'client_credential',
      appid: 'wx1',
      secret: 'the secret',
      force_refresh: true,
    })
    expect(classic.ask({ ...account, appSecret: 'a&b=c d' }, false)).toEqual({
      method: 'GET',
      path: '/cgi-bin/token?grant_type=client_credential&appid=wx1&secret=a%26b%3Dc+d',
      headers: {},
      body: undefined,
    })
  })
})

describe('an answer', () => {
  it('brings a token with its life in ms', () => {
    expect(read({ access_token: 'abc', expires_in: 7200 })).toEqual({
      granted: true,
      accessToken: 'abc',
      life: 7_200_000,
    })
    expect(read({ errcode: 0, errmsg: 'ok', access_token: 'abc', expires_in: 345 })).toMatchObject({
      life: 345_000,
    })
    expect(read({ access_token: 'x'.repeat(1024), expires_in: 1 })).toMatchObject({ granted: true })
  })

  it.each([
    ['a life of 0', { access_token: 'abc', expires_in: 0 }],
    ['a negative life', { access_token: 'abc', expires_in: -1 }],
    ['NaN', '{"access_token":"abc","expires_in":NaN}'],
    ['a life that is null', { access_token: 'abc', expires_in: null }],
    ['a life in words', { access_token: 'abc', expires_in: '7200' }],
    ['a life of ages', { access_token: 'abc', expires_in: 1e12 }],
    ['infinity', '{"access_token":"abc","expires_in":1e999}'],
    ['no life', { access_token: 'abc' }],
    ['no token', { expires_in: 7200 }],
    ['an empty token', { access_token: '', expires_in: 7200 }],
    ['a numeric token', { access_token: 12345, expires_in: 7200 }],
    ['an object for a token', { access_token: { a: 1 }, expires_in: 7200 }],
    ['a token with a line break', { access_token: 'abc\r\nx-evil: 1', expires_in: 7200 }],
    ['a token with a NUL', { access_token: 'a\u0000b', expires_in: 7200 }],
    ['a token longer than 8 KiB', { access_token: 'x'.repeat(8193), expires_in: 7200 }],
    ['HTML', '<html>502 Bad Gateway</html>'],
    ['an empty body', ''],
    ['an array', []],
    ['null', 'null'],
    ['a string', '"abc"'],
    ['half a body', '{"access_token":"ab'],
  ])('is refused as unusable with %s', (_what, body) => {
    const answer = read(body)
    expect(answer).toMatchObject({
      granted: false,
      failure: { code: 'ERR_BAD_ANSWER', retryable: true },
      wait: { why: 'backoff' },
    })
  })

  it.each([301, 302, 400, 404, 500, 502, 503])(
    'is refused with HTTP %i, whatever token it holds',
    (status) => {
      expect(read({ access_token: 'abc', expires_in: 7200 }, status)).toMatchObject({
        granted: false,
        failure: { code: 'ERR_BAD_ANSWER' },
      })
    },
  )

  it.each([
    JSON.stringify({ granted: false }),
    JSON.stringify({ granted: true, accessToken: 'abc', life: 1 }),
    {
      granted: false,
      failure: { code: 'ERR_CLOSED', message: 'x', retryable: false },
      wait: { why: 'limit', ms: 1e300 },
    },
    JSON.stringify({ ok: false, refusal: { granted: false } }),
    JSON.stringify({ __proto__: null, constructor: 1 }),
  ])('%s that looks like our own is only unusable', (body) => {
    expect(read(body)).toMatchObject({
      granted: false,
      failure: { code: 'ERR_BAD_ANSWER', retryable: true },
      wait: { why: 'backoff' },
    })
  })

  it('of any bytes neither throws nor shows its bytes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (body) => {
        const answer = read(body)
        if (answer.granted) return
        if (body.length > 20) expect(answer.failure.message).not.toContain(body)
      }),
      { numRuns: 500 },
    )
  })
})

describe('a refusal', () => {
  it('names the errcode, what it means and what to do, and keeps the rid', () => {
    const { failure } = refusal(40125, 'invalid appsecret rid: 65a1b2c3-1a2b3c4d-5e6f7a8b')
    expect(failure).toMatchObject({
      code: 'ERR_ISSUER_REFUSED',
      errcode: 40125,
      rid: '65a1b2c3-1a2b3c4d-5e6f7a8b',
      retryable: false,
    })
    expect(failure.message).toMatch(/40125.*wrong AppSecret.*console/)
  })

  it('shows the IP of 40164', () => {
    expect(
      refusal(40164, 'invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist rid: x').failure.message,
    ).toContain('1.2.3.4')
    expect(refusal(61004, 'access clientip is not registered requestIP: 5.6.7.8').failure.message).toContain(
      '5.6.7.8',
    )
  })

  it('never shows the secret that an errmsg quotes, nor control characters', () => {
    const { failure } = refusal(41004, 'bad secret: the secret\u001b[31m')
    expect(failure.message).not.toContain('the secret')
    expect(failure.message).not.toContain('\u001b')
    const secret = 'ab"c\ud800'
    expect(messageWith(secret, JSON.stringify({ secret }))).not.toContain('ab\\')
    const echoed = refusal(41004, 'GET /cgi-bin/token?secret=the+secret and the%20secret').failure
    expect(echoed.message).not.toMatch(/the.{1,3}secret/)
  })

  it.each([
    [-1, 'backoff', true],
    [40001, 'operator', false],
    [40125, 'operator', false],
    [40002, 'operator', false],
    [43002, 'operator', false],
    [41002, 'operator', false],
    [41004, 'operator', false],
    [40013, 'operator', false],
    [40164, 'operator', false],
    [61004, 'operator', false],
    [40243, 'operator', false],
    [61024, 'operator', false],
    [45009, 'limit', true],
    [45011, 'limit', true],
    [50004, 'operator', false],
    [50007, 'operator', false],
    [89501, 'operator', false],
    [89503, 'operator', false],
    [89506, 'operator', false],
    [89507, 'operator', false],
    [12345, 'backoff', true],
  ])('with errcode %i waits by %s', (errcode, why, retryable) => {
    const answer = refusal(errcode)
    expect(answer.wait.why).toBe(why)
    expect(answer.failure).toMatchObject({ retryable, errcode })
    if (errcode !== 12345) expect(ERRCODES.has(errcode)).toBe(true)
  })

  it('by an administrator waits as long as WeChat says', () => {
    expect(refusal(89506).wait).toEqual({ why: 'operator', ms: 86_400_000 })
    expect(refusal(89507).wait).toEqual({ why: 'operator', ms: 3_600_000 })
    expect(refusal(45009).wait).toEqual({ why: 'limit', ms: 'day' })
    expect(refusal(45011).wait).toEqual({ why: 'limit', ms: 60_000 })
  })
})
