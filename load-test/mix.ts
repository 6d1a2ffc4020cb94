import type { Request } from 'autocannon'
import { MessageCrypto } from '../workers/handler/message-crypto.js'
import type { HandlerSettings } from '../workers/handler/tasks.js'

/** What the clients ask for, of each hundred requests. */
export const MIX = { report: 1, message: 10, page: 9, inline: 80 } as const

/** The account's callback, as its administrator set it. */
export const CALLBACK = {
  token: 'token-of-the-callback',
  encodingAesKey: 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG',
} as const

/** So many requests a connection has: to write them out takes the client a moment. */
const LIST = 20

/**
 * Lists of requests, all together a hundred of the mix. Connection i takes the i-th list, again from the beginning after
 * the last, and sends its requests over and over. Each list occurs in all its rotations, so that the heavy ones are
 * spread over time.
 */
export function requestMix(appId: string): Request[][] {
  const crypto = new MessageCrypto({ ...CALLBACK, appId })
  const kinds: readonly (readonly [number, (i: number) => Request])[] = [
    [MIX.report, () => ({ method: 'GET', path: '/report' })],
    [MIX.message, (i) => messageRequest(crypto, i)],
    [
      MIX.page,
      (i) => ({ method: 'GET', path: `/page?url=${encodeURIComponent(`https://shop.example/${i}`)}` }),
    ],
    [MIX.inline, () => ({ method: 'GET', path: '/' })],
  ]
  const requests = kinds.flatMap(([share, request]) => Array.from({ length: share }, (_, i) => request(i)))
  // 37 has no divisor in common with 100: a walk in such steps meets each request once and mixes the kinds.
  const mixed = requests.map((request, i) => requests[(i * 37) % requests.length] ?? request)
  const lists = Array.from({ length: mixed.length / LIST }, (_, i) => mixed.slice(i * LIST, (i + 1) * LIST))
  return Array.from({ length: LIST }, (_, by) =>
    lists.map((list) => [...list.slice(by), ...list.slice(0, by)]),
  ).flat()
}

function messageRequest(crypto: MessageCrypto, i: number): Request {
  const encrypted = crypto.encrypt(
    `<xml><ToUserName><![CDATA[gh_0]]></ToUserName><FromUserName><![CDATA[o${i}]]></FromUserName>` +
      `<CreateTime>1409735668</CreateTime><MsgType><![CDATA[text]]></MsgType>` +
      `<Content><![CDATA[message ${i}: ${'where is my parcel? '.repeat(10)}]]></Content><MsgId>6054768590064713728</MsgId></xml>`,
  )
  const query = new URLSearchParams({ timestamp: '1409735669', nonce: String(i) })
  query.set('msg_signature', crypto.signature('1409735669', String(i), encrypted))
  return {
    method: 'POST',
    path: `/message?${query.toString()}`,
    headers: { 'content-type': 'text/xml' },
    body: `<xml><ToUserName><![CDATA[gh_0]]></ToUserName><Encrypt><![CDATA[${encrypted}]]></Encrypt></xml>`,
  }
}

/** What a pool's threads need to know. */
export const handlerSettings = (appId: string, baseUrl: string): HandlerSettings => ({
  ...CALLBACK,
  appId,
  baseUrl,
})
