import { randomBytes } from 'node:crypto'
import { JsapiTicket, jsSdkSignature } from './js-sdk.js'
import { CallbackError, type CallbackQuery, type CallbackSettings, MessageCrypto } from './message-crypto.js'
import { readMessage } from './message.js'
import { WechatApi, WechatError } from './wechat-api.js'

/** What the server gives the pool: plain data, for it crosses threads. */
export type Task = MessageTask | PageTask

/** WeChat delivers a message to the callback URL. */
export interface MessageTask {
  readonly kind: 'message'
  readonly query: CallbackQuery
  readonly body: string
}

/** A follower opens a page that uses WeChat's JS-SDK. */
export interface PageTask {
  readonly kind: 'page'
  readonly url: string
  readonly openid: string
}

/** What the server answers. */
export interface Reply {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

/** The pool's `workerData`. */
export interface HandlerSettings extends CallbackSettings {
  /** Where WeChat is. */
  readonly baseUrl: string
}

/** How to get from a task to a reply; the access token is handed in. */
export class Tasks {
  readonly #appId: string
  readonly #api: WechatApi
  readonly #crypto: MessageCrypto
  readonly #ticket: JsapiTicket

  constructor(settings: HandlerSettings) {
    this.#appId = settings.appId
    this.#api = new WechatApi(settings.baseUrl)
    this.#crypto = new MessageCrypto(settings)
    this.#ticket = new JsapiTicket(this.#api)
  }

  /** @throws WechatError, also for a refused token */
  async run(task: Task, accessToken: string): Promise<Reply> {
    switch (task.kind) {
      case 'message':
        return this.#message(task, accessToken)
      case 'page':
        return this.#page(task, accessToken)
    }
  }

  async #message({ body, query }: MessageTask, accessToken: string): Promise<Reply> {
    let message
    try {
      message = readMessage(body, query, this.#crypto)
    } catch (error) {
      if (error instanceof CallbackError) return textReply(403, error.message)
      throw error
    }
    const content = message.type === 'text' ? `You wrote: ${message.content}` : 'Thank you'
    const answer = { touser: message.from, msgtype: 'text', text: { content } }
    await this.#api.post('/cgi-bin/message/custom/send', accessToken, answer)
    // WeChat delivers a message again until it hears this.
    return textReply(200, 'success')
  }

  async #page({ url, openid }: PageTask, accessToken: string): Promise<Reply> {
    const [ticket, user] = await Promise.all([
      this.#ticket.get(accessToken),
      this.#api.get('/cgi-bin/user/info', accessToken, { openid }),
    ])
    const nonce = randomBytes(8).toString('hex')
    const timestamp = Math.floor(Date.now() / 1_000)
    const signature = jsSdkSignature({ ticket, nonce, timestamp, url })
    const config = { appId: this.#appId, timestamp, nonceStr: nonce, signature }
    return { status: 200, contentType: 'application/json', body: JSON.stringify({ config, user }) }
  }
}

/** What a request gets when its task failed: 502 for what WeChat said, else 500. */
export function failedReply(error: unknown): Reply {
  if (error instanceof WechatError) return textReply(502, error.message)
  return textReply(500, 'internal error')
}

export function textReply(status: number, body: string): Reply {
  return { status, contentType: 'text/plain', body }
}

/** @throws Error that says what a pool must hand over */
export function handlerSettings(data: unknown): HandlerSettings {
  if (isSettings(data)) return data
  throw new Error('the pool’s workerData must hold baseUrl, appId, token and encodingAesKey')
}

function isSettings(data: unknown): data is HandlerSettings {
  if (typeof data !== 'object' || data === null) return false
  const fields: Readonly<Record<string, unknown>> = { ...data }
  return ['baseUrl', 'appId', 'token', 'encodingAesKey'].every((name) => typeof fields[name] === 'string')
}
