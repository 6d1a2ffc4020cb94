import { afterEach, expect } from 'vitest'
import { isRecord } from '../../simulator/checks.js'
import { type Simulator, type SimulatorOptions, startSimulator } from '../../simulator/index.js'

export const appId = 'wx0000000000000001'
export const appSecret = '0123456789abcdef0123456789abcdef'

const open: Simulator[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map((simulator) => simulator.close()))
})

/** A simulator of one account, closed after the test. */
export async function start(options: Partial<SimulatorOptions> = {}): Promise<Simulator> {
  const simulator = await startSimulator({ accounts: [{ appId, appSecret }], ...options })
  open.push(simulator)
  return simulator
}

/** vitest's matchers, without their `any`. */
export const containing = (part: string): unknown => expect.stringContaining(part)
export const matching = (pattern: RegExp): unknown => expect.stringMatching(pattern)

/** A clock that the test moves; it begins on a morning in the middle of a month, in China as in UTC. */
export class TestClock {
  at = Date.UTC(2026, 2, 10, 1, 0, 0)
  readonly now = (): number => this.at

  forward(seconds: number): void {
    this.at += seconds * 1000
  }
}

/** An answer as a client sees it. */
export class Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Readonly<Record<string, unknown>>

  constructor(response: Response, body: unknown) {
    this.status = response.status
    this.headers = response.headers
    if (!isRecord(body)) throw new Error(`the answer is no JSON object: ${JSON.stringify(body)}`)
    this.body = body
  }

  /** Throws when there is none: two missing tokens must not count as the same. */
  get accessToken(): string {
    if (typeof this.body.access_token !== 'string') throw new Error(`no token: ${JSON.stringify(this.body)}`)
    return this.body.access_token
  }

  get expiresIn(): unknown {
    return this.body.expires_in
  }

  get errcode(): unknown {
    return this.body.errcode
  }

  get errmsg(): string {
    return String(this.body.errmsg)
  }
}

export async function ask(url: string, init?: RequestInit): Promise<Answer> {
  const response = await fetch(url, init)
  return new Answer(response, await response.json())
}

export const post = (url: string, body: unknown): Promise<Answer> =>
  ask(url, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) })

interface Credentials {
  appid?: string
  secret?: string
  grant_type?: string
}

const credentials = { grant_type: 'client_credential', appid: appId, secret: appSecret }

export const classic = (simulator: Simulator, changed: Credentials = {}): Promise<Answer> =>
  ask(`${simulator.url}/cgi-bin/token?${new URLSearchParams({ ...credentials, ...changed }).toString()}`)

export const stable = (simulator: Simulator, changed: Credentials = {}): Promise<Answer> =>
  post(`${simulator.url}/cgi-bin/stable_token`, { ...credentials, force_refresh: false, ...changed })

export const forced = (simulator: Simulator): Promise<Answer> =>
  post(`${simulator.url}/cgi-bin/stable_token`, { ...credentials, force_refresh: true })

/** An ordinary API call with a token; its errcode, 0 when the token works. */
export async function use(simulator: Simulator, accessToken: string): Promise<unknown> {
  return (await ask(`${simulator.url}/cgi-bin/user/get?access_token=${accessToken}`)).errcode
}
