import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type Interface, createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { isRecord } from '../../simulator/checks.js'
import { ask, matching, post, start } from './help.js'

const entry = fileURLToPath(new URL('../../cli/token-thread.ts', import.meta.url))
const running: ChildProcessByStdio<null, Readable, Readable>[] = []

afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL')
})

function cli(...args: string[]): ChildProcessByStdio<null, Readable, Readable> {
  const child = spawn(process.execPath, ['--import', 'tsx', entry, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.push(child)
  return child
}

/** Runs to the end. */
async function run(...args: string[]): Promise<{ code: unknown; out: string; err: string }> {
  const child = cli(...args)
  const [closed, out, err] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)])
  return { code: closed[0], out, err }
}

/** Reads the lines of a running command one by one. */
class Lines {
  readonly #lines: AsyncIterator<string>

  constructor(lines: Interface) {
    this.#lines = lines[Symbol.asyncIterator]()
  }

  async next(): Promise<string> {
    const line = await this.#lines.next()
    if (line.done) throw new Error('there are no more lines')
    return line.value
  }

  /** All lines up to the first that holds `part`. */
  async until(part: string): Promise<string[]> {
    const lines = [await this.next()]
    while (!lines.at(-1)?.includes(part)) lines.push(await this.next())
    return lines
  }
}

const linesOf = (child: ChildProcessByStdio<null, Readable, Readable>): Lines =>
  new Lines(createInterface(child.stdout))

const credentials = ['--app-id', 'wx1', '--app-secret', 'a-secret-of-some-length']

test.each(['SIGINT', 'SIGTERM'] as const)(
  'simulate says how to use it, then each call; %s ends it',
  async (signal) => {
    const child = cli('simulate', '--port', '0', '--expires-in', '600', ...credentials)
    const lines = linesOf(child)
    const intro = (await lines.until('Calls:')).join('\n')
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(intro)?.[0] ?? ''
    expect(intro).toContain('WECHAT_APPID=wx1 WECHAT_APPSECRET=a-secret-of-some-length')
    expect(intro).toContain(`baseUrl: '${url}'`)

    const stable = /curl -d '(.*)' (http:\S*stable_token)/.exec(intro)
    const token = await post(stable?.[2] ?? '', stable?.[1])
    expect(token.expiresIn).toBe(600)
    const classic = /curl '(http:\S*grant_type\S*)'/.exec(intro)
    expect((await ask(classic?.[1] ?? '')).expiresIn).toBe(600)
    expect(
      (await ask(`${url}/cgi-bin/getcallbackip?access_token=${token.accessToken}`)).body.ip_list,
    ).toBeDefined()
    const fault = /curl -d '(.*)' (http:\S*inject)/.exec(intro)
    expect((await post(fault?.[2] ?? '', fault?.[1])).body).toEqual({ id: 1 })
    expect((await post(stable?.[2] ?? '', stable?.[1])).errcode).toBe(-1)
    // A client that mixes up its settings sends the secret where the AppID belongs.
    await ask(`${url}/cgi-bin/token?appid=a-secret-of-some-length&secret=wx1&grant_type=client_credential`)

    const calls = [
      await lines.next(),
      await lines.next(),
      await lines.next(),
      await lines.next(),
      await lines.next(),
    ]
    expect(calls[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} {2}\/cgi-bin\/stable_token +wx1 +issued$/)
    expect(calls[2]).toMatch(/getcallbackip +wx1 +ok$/)
    expect(calls[3]).toMatch(/faulted -1$/)
    expect(calls[4]).toMatch(/no known account +refused 40013$/)
    expect(calls.join()).not.toContain('a-secret')
    expect(calls.join()).not.toContain(token.accessToken.slice(0, 20))

    child.kill(signal)
    expect(await once(child, 'close')).toEqual([0, null])
  },
)

test('simulate --json prints JSON lines, with made-up credentials; --gzip and --delay hold', async () => {
  const child = cli('simulate', '--port', '0', '--json', '--gzip', '--delay', '1')
  const lines = linesOf(child)
  const first: unknown = JSON.parse(await lines.next())
  expect(first).toEqual({
    url: matching(/^http:/),
    appId: matching(/^wx[0-9a-f]{16}$/),
    appSecret: matching(/^[0-9a-f]{32}$/),
  })
  const { url = '', appId = '', appSecret = '' } = strings(first)
  const body = { grant_type: 'client_credential', appid: appId, secret: appSecret, force_refresh: true }
  const answer = await post(`${url}/cgi-bin/stable_token`, body)
  expect(answer.headers.get('content-encoding')).toBe('gzip')
  const call: unknown = JSON.parse(await lines.next())
  const path = '/cgi-bin/stable_token'
  const at = matching(/^\d{4}-.*Z$/)
  expect(call).toEqual({ kind: 'stable_token', path, appId, forced: true, at, outcome: 'issued' })
  expect((await ask(`${url}/_control/counters`)).body).toMatchObject({ total: { faults: 1 } })
})

const strings = (value: unknown): Record<string, string> =>
  Object.fromEntries(Object.entries(isRecord(value) ? value : {}).map(([key, one]) => [key, String(one)]))

test.each([
  ['no command', [], 'say which command'],
  ['an unknown command', ['simulated'], 'there is no command simulated'],
  ['a word of JavaScript for a command', ['constructor'], 'there is no command constructor'],
  ['an unknown option', ['simulate', '--expires', '5'], "Unknown option '--expires'"],
  ['a port that is no number', ['simulate', '--port', 'x'], '--port must be a number'],
  ['an empty port', ['simulate', '--port', ''], '--port must be a number'],
  ['a port that is too high', ['simulate', '--port', '70000'], '--port must be a number from 0 to 65535'],
  ['a life of nothing', ['simulate', '--expires-in', '0'], '--expires-in must be a number from'],
  ['a negative delay', ['simulate', '--port', '0', '--delay=-1'], '--delay must be a number from 0'],
  [
    'a negative delay of its own',
    ['simulate', '--port', '0', '--delay', '-5'],
    '--delay must be a number from 0',
  ],
  ['a negative life', ['simulate', '--expires-in', '-.5'], '--expires-in must be a number from'],
  ['an empty AppID', ['simulate', '--app-id', ''], '--app-id must be a string that is not empty'],
  ['a stray word', ['simulate', 'now'], "Unexpected argument 'now'"],
])('%s: told on stderr, exit code 2', async (_, args, message) => {
  const { code, out, err } = await run(...args)
  expect(err).toContain(`token-thread: ${message}`)
  expect(err).not.toContain('    at ')
  expect([code, out]).toEqual([2, ''])
})

test.each([
  [['--help'], 'simulate'],
  [['simulate', '--help'], '--expires-in <seconds>'],
])('%j: told on stdout, exit code 0', async (args, message) => {
  const { code, out, err } = await run(...args)
  expect(out).toContain(message)
  expect([code, err]).toEqual([0, ''])
})

test('a port in use: told on stderr, exit code 1', async () => {
  const { url } = await start()
  const { port } = new URL(url)
  const { code, err } = await run('simulate', '--port', port)
  expect(err).toBe(
    `token-thread: port ${port} is in use: stop what listens there, or give another port, for instance --port 0\n`,
  )
  expect(code).toBe(1)
})
