import { XMLParser } from 'fast-xml-parser'
import { CallbackError, type CallbackQuery, type MessageCrypto } from './message-crypto.js'

/** A message that a follower of the account sent. */
export interface Message {
  readonly from: string
  readonly type: string
  /** Of a text message, else ''. */
  readonly content: string
  /** Decimal, as WeChat writes it: it is beyond 2^53. */
  readonly id: string
}

// Values stay text (a MsgId is no double), and no entity is expanded: the envelope is parsed before it is verified.
const parser = new XMLParser({ parseTagValue: false, processEntities: false })

/** Verifies, decrypts and parses the body of a callback. @throws CallbackError */
export function readMessage(body: string, query: CallbackQuery, crypto: MessageCrypto): Message {
  const encrypted = fieldsOf(body).Encrypt
  if (typeof encrypted !== 'string') throw new CallbackError('the envelope holds no encrypted message')
  crypto.verify(query, encrypted)
  const fields = fieldsOf(crypto.decrypt(encrypted))
  const text = (name: string): string => {
    const value = fields[name]
    return typeof value === 'string' ? value : ''
  }
  return { from: text('FromUserName'), type: text('MsgType'), content: text('Content'), id: text('MsgId') }
}

function fieldsOf(xml: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = parser.parse(xml)
    if (isRecord(parsed) && isRecord(parsed.xml)) return parsed.xml
  } catch (cause) {
    throw new CallbackError('the message is no XML', { cause })
  }
  throw new CallbackError('the message has no <xml> element')
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
