import { execFile } from 'node:child_process'
import diagnostics from 'node:diagnostics_channel'
import { promisify } from 'node:util'
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { Agent, request } from 'undici'
import { describe, expect, test } from 'vitest'
import { redactedUrlAttributes, redactUrl, tokenInterceptor } from '../../src/index.js'
import { cleanUp } from '../support/cleanup.js'
import { type Api, api, OK, tokensFor } from './help.js'

async function ask(path: string): Promise<Api> {
  const there = await api((_, response) => response.end(OK))
  const agent = new Agent()
  cleanUp(() => agent.destroy())
  const dispatcher = agent.compose(tokenInterceptor(tokensFor([there.url])))
  await (await request(there.url + path, { dispatcher })).body.dump()
  return there
}

describe('redactUrl', () => {
  test.for([
    ['https://api.weixin.qq.com/x?access_token=T&b=1', 'https://api.weixin.qq.com/x?access_token=***&b=1'],
    ['/cgi-bin/token?appid=wx1&secret=S&x', '/cgi-bin/token?appid=wx1&secret=***&x'],
    ['/gettoken?corpid=c&corpsecret=S', '/gettoken?corpid=c&corpsecret=***'],
    ['?ACCESS%5Ftoken=T', '?ACCESS%5Ftoken=***'],
    ['/x?a=access_token&b=%zz&%zz=1', '/x?a=access_token&b=%zz&%zz=1'],
    ['/x?access_token=&y', '/x?access_token=&y'],
    ['/x?access_token=a=b#access_token=T', '/x?access_token=***#access_token=***'],
    ['/x#f', '/x#f'],
    ['http://h/cb#access_token=T&state=1', 'http://h/cb#access_token=***&state=1'],
    ['/x?acc%09ess_token=T&+secret=S&auth_code=C', '/x?acc%09ess_token=***&+secret=***&auth_code=***'],
    ['', ''],
  ])('%s', ([url = '', redacted]) => {
    expect(redactUrl(url)).toBe(redacted)
  })

  test('a URL object', () => {
    expect(redactUrl(new URL('http://h/p?access_token=T'))).toBe('http://h/p?access_token=***')
  })
})

describe("OpenTelemetry's undici instrumentation", () => {
  async function spanOf(config: ConstructorParameters<typeof UndiciInstrumentation>[0]): Promise<object> {
    const exporter = new InMemorySpanExporter()
    const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
    const instrumentation = new UndiciInstrumentation(config)
    instrumentation.setTracerProvider(provider)
    instrumentation.enable()
    cleanUp(() => instrumentation.disable())
    await ask('/cgi-bin/x?a=1')
    const [span] = exporter.getFinishedSpans()
    return span?.attributes ?? {}
  }

  test('shows the token as it is', async () => {
    expect(JSON.stringify(await spanOf({}))).toContain('fake-token-1')
  })

  test('shows none with one line, and all else', async () => {
    const attributes = await spanOf({ startSpanHook: redactedUrlAttributes })
    expect(JSON.stringify(attributes)).not.toContain('fake-token')
    expect(attributes).toMatchObject({
      'url.query': '?a=1&access_token=***',
      'url.path': '/cgi-bin/x',
      'http.response.status_code': 200,
    })
    expect(Reflect.get(attributes, 'url.full')).toMatch(
      /^http:\/\/127\.0\.0\.1:\d+\/cgi-bin\/x\?a=1&access_token=\*\*\*$/,
    )
  })
})

test('undici’s diagnostics channels show the path with the token: redactUrl is for who logs it', async () => {
  const paths: string[] = []
  const listen = (message: unknown): void => {
    if (typeof message !== 'object' || message === null || !('request' in message)) return
    const path: unknown = Reflect.get(Object(message.request), 'path')
    if (typeof path === 'string') paths.push(path)
  }
  diagnostics.subscribe('undici:request:create', listen)
  cleanUp(() => diagnostics.unsubscribe('undici:request:create', listen))
  await ask('/p')
  expect(paths).toEqual(['/p?access_token=fake-token-1'])
  expect(paths.map(redactUrl)).toEqual(['/p?access_token=***'])
})

test('NODE_DEBUG=undici shows a query token, and no header: documented, for there is no hook', async () => {
  const there = await api((_, response) => response.end(OK))
  const script = `
    import { request } from 'undici'
    const { body } = await request('${there.url}/p?access_token=query-token', { headers: { authorization: 'Bearer header-token' } })
    await body.dump()
    process.exit()`
  const { stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    env: { NODE_DEBUG: 'undici,fetch' },
    timeout: 20_000,
  })
  expect(stderr).toContain('query-token')
  expect(stderr).not.toContain('header-token')
})
