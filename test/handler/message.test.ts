import { createCipheriv } from 'node:crypto'
import { expect, test } from 'vitest'
import { CallbackError, MessageCrypto } from '../../workers/handler/message-crypto.js'
import { readMessage } from '../../workers/handler/message.js'

/** The example of WeChat's own sample code (WXBizMsgCrypt). */
const SETTINGS = {
  appId: 'wx2c2769f8efd9abc2',
  token: 'spamtest',
  encodingAesKey: 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG',
}
const QUERY = {
  msg_signature: '5d197aaffba7e9b25a30732f161a50dee96bd5fa',
  timestamp: '1409735669',
  nonce: '1320562132',
}
const ENCRYPTED =
  'hyzAe4OzmOMbd6TvGdIOO6uBmdJoD0Fk53REIHvxYtJlE2B655HuD0m8KUePWB3+LrPXo87wzQ1QLvbeUgmBM4x6F8PGHQHFVAFmOD2LdJF9' +
  'FrXpbUAh0B5GIItb52sn896wVsMSHGuPE328HnRGBcrS7C41IzDWyWNlZkyyXwon8T332jisa+h6tEDYsVticbSnyU8dKOIbgU6ux5VTjg3y' +
  't+WGzjlpKn6NPhRjpA912xMezR4kw6KWwMrCVKSVCZciVGCgavjIQ6X8tCOp3yZbGpy0VxpAe+77TszTfRd5RJSVO/HTnifJpXgCSUdUue1v' +
  '6h0EIBYYI1BD1DlD+C0CR8e6OewpusjZ4uBl9FyJvnhvQl+q5rv1ixrcpCumEPo5MJSgM9ehVsNPfUM669WuMyVWQLCzpu9GhglF2PE='

const envelope = (encrypted: string): string =>
  `<xml><ToUserName><![CDATA[gh_10f6c3c3ac5a]]></ToUserName><Encrypt><![CDATA[${encrypted}]]></Encrypt></xml>`

const crypto = new MessageCrypto(SETTINGS)
const signed = (encrypted: string): typeof QUERY => ({
  ...QUERY,
  msg_signature: crypto.signature(QUERY.timestamp, QUERY.nonce, encrypted),
})

test('the message of WeChat’s own sample is verified, decrypted and parsed; its id keeps all its digits', () => {
  expect(readMessage(envelope(ENCRYPTED), QUERY, crypto)).toEqual({
    from: 'oyORnuP8q7ou2gfYjqLzSIWZf0rs',
    type: 'text',
    content: 'abcdteT',
    id: '6054768590064713728',
  })
})

test.each(['', 'a', '你好', 'x'.repeat(11), 'x'.repeat(12), 'x'.repeat(13), 'x'.repeat(5_000)])(
  'what is encrypted is decrypted, whatever its padding: %#',
  (content) => {
    const xml = `<xml><MsgType>text</MsgType><Content><![CDATA[${content}]]></Content></xml>`
    expect(crypto.decrypt(crypto.encrypt(xml))).toBe(xml)
  },
)

test('a changed part makes the signature wrong', () => {
  const body = envelope(ENCRYPTED)
  const wrong = [
    { ...QUERY, timestamp: '1409735670' },
    { ...QUERY, nonce: '1' },
    { ...QUERY, msg_signature: QUERY.msg_signature.toUpperCase() },
    { ...QUERY, msg_signature: '' },
  ]
  for (const query of wrong) expect(() => readMessage(body, query, crypto)).toThrow('wrong signature')
  expect(() => readMessage(envelope(`${ENCRYPTED}A`), QUERY, crypto)).toThrow('wrong signature')
})

test('a message for another account is refused, though it is signed', () => {
  const other = new MessageCrypto({ ...SETTINGS, appId: 'wx0000000000000000' })
  const encrypted = other.encrypt('<xml><MsgType>text</MsgType></xml>')
  expect(() => readMessage(envelope(encrypted), signed(encrypted), crypto)).toThrow('for another account')
})

test('what is no message is a CallbackError, never another failure', () => {
  const bodies = [
    '',
    'no xml',
    '<xml></xml>',
    '<xml><Encrypt></Encrypt></xml>',
    '<xml><Encrypt>',
    '<a><b></a></b>',
  ]
  for (const body of bodies) expect(() => readMessage(body, QUERY, crypto)).toThrow(CallbackError)
  // Well padded, but shorter than what every message begins with.
  const key = Buffer.from(`${SETTINGS.encodingAesKey}=`, 'base64')
  const cipher = createCipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false)
  const short = Buffer.concat([cipher.update(Buffer.alloc(32, 32)), cipher.final()]).toString('base64')
  expect(() => readMessage(envelope(short), signed(short), crypto)).toThrow(CallbackError)
  for (const bytes of [1, 16, 32, 64, 96, 320]) {
    const encrypted = Buffer.alloc(bytes, 7).toString('base64')
    expect(() => readMessage(envelope(encrypted), signed(encrypted), crypto)).toThrow(CallbackError)
  }
})

test('entities of the envelope are not expanded', () => {
  const bomb = '<!DOCTYPE x [<!ENTITY e "boom">]><xml><Encrypt>&e;</Encrypt></xml>'
  const query = signed('boom')
  expect(() => readMessage(bomb, query, crypto)).toThrow(CallbackError)
})

test('an EncodingAESKey of a wrong length is told at once', () => {
  expect(() => new MessageCrypto({ ...SETTINGS, encodingAesKey: 'short' })).toThrow('43 characters')
})
