import { Pool } from 'undici'

/** A call was answered with an errcode. */
export class WechatError extends Error {
  override readonly name = 'WechatError'
  readonly errcode: number

  constructor(errcode: number, errmsg: string) {
    super(`WeChat answered errcode ${errcode}: ${errmsg}`)
    this.errcode = errcode
  }

  /** The token was refused: invalid, not the latest, or expired. */
  get tokenRefused(): boolean {
    return [40001, 40014, 42001].includes(this.errcode)
  }
}

export type Answer = Readonly<Record<string, unknown>>

/** Calls WeChat over kept-alive connections. */
export class WechatApi {
  readonly #pool: Pool

  /** `connections`: at most so many at a time; further calls queue. */
  constructor(baseUrl: string, connections = 64) {
    this.#pool = new Pool(baseUrl, { connections })
  }

  /** @throws WechatError */
  get(path: string, accessToken: string, query: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.#call('GET', path, { ...query, access_token: accessToken })
  }

  /** @throws WechatError */
  post(path: string, accessToken: string, body: unknown): Promise<Answer> {
    return this.#call('POST', path, { access_token: accessToken }, JSON.stringify(body))
  }

  close(): Promise<void> {
    return this.#pool.destroy()
  }

  async #call(
    method: 'GET' | 'POST',
    path: string,
    query: Readonly<Record<string, string>>,
    body: string | null = null,
  ): Promise<Answer> {
    const headers = body === null ? {} : { 'content-type': 'application/json' }
    const response = await this.#pool.request({ method, path, query, headers, body })
    const answer: unknown = await response.body.json()
    if (typeof answer !== 'object' || answer === null) throw new Error('WeChat answered no JSON object')
    const { errcode, errmsg }: { errcode?: unknown; errmsg?: unknown } = answer
    if (typeof errcode === 'number' && errcode !== 0) throw new WechatError(errcode, String(errmsg))
    return { ...answer }
  }
}
