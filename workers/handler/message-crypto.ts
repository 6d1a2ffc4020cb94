import { createCipheriv, createDecipheriv, createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** What the account's administrator entered beside the callback URL. */
export interface CallbackSettings {
  readonly appId: string
  readonly token: string
  /** EncodingAESKey: 43 characters, base64 without its last `=`. */
  readonly encodingAesKey: string
}

/** The query of a callback request. */
export interface CallbackQuery {
  readonly msg_signature: string
  readonly timestamp: string
  readonly nonce: string
}

/** The callback is not from WeChat, or not for this account: answer 403. */
export class CallbackError extends Error {
  override readonly name = 'CallbackError'
}

const BLOCK = 32
/** Before the message: 16 random bytes, then its length in 4. */
const RANDOM = 16
const HEAD = RANDOM + 4

/** WeChat's message encryption: AES-256-CBC over `random(16) + length(4) + xml + appId`, PKCS#7 to 32 bytes. */
export class MessageCrypto {
  readonly #appId: string
  readonly #token: string
  readonly #key: Buffer
  readonly #iv: Buffer

  /** @throws Error for an EncodingAESKey that is none */
  constructor({ appId, token, encodingAesKey }: CallbackSettings) {
    this.#appId = appId
    this.#token = token
    this.#key = Buffer.from(`${encodingAesKey}=`, 'base64')
    if (this.#key.length !== 32) throw new Error('the EncodingAESKey has 43 characters of base64')
    this.#iv = this.#key.subarray(0, 16)
  }

  /** SHA-1 over the sorted parts. */
  signature(timestamp: string, nonce: string, encrypted: string): string {
    const parts = [this.#token, timestamp, nonce, encrypted].sort()
    return createHash('sha1').update(parts.join('')).digest('hex')
  }

  /** @throws CallbackError */
  verify(query: CallbackQuery, encrypted: string): void {
    const expected = Buffer.from(this.signature(query.timestamp, query.nonce, encrypted))
    const given = Buffer.from(query.msg_signature)
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw new CallbackError('wrong signature')
    }
  }

  /** @throws CallbackError */
  decrypt(encrypted: string): string {
    const plain = this.#decipher(encrypted)
    const end = HEAD + plain.readUInt32BE(RANDOM)
    if (end > plain.length || plain.toString('utf8', end) !== this.#appId) {
      throw new CallbackError('the message is for another account')
    }
    return plain.toString('utf8', HEAD, end)
  }

  encrypt(xml: string): string {
    const message = Buffer.from(xml)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(message.length)
    const unpadded = Buffer.concat([randomBytes(RANDOM), length, message, Buffer.from(this.#appId)])
    const padding = BLOCK - (unpadded.length % BLOCK)
    const cipher = createCipheriv('aes-256-cbc', this.#key, this.#iv).setAutoPadding(false)
    const plain = Buffer.concat([unpadded, Buffer.alloc(padding, padding)])
    return Buffer.concat([cipher.update(plain), cipher.final()]).toString('base64')
  }

  #decipher(encrypted: string): Buffer {
    const bytes = Buffer.from(encrypted, 'base64')
    if (bytes.length === 0 || bytes.length % BLOCK !== 0) throw new CallbackError('not an encrypted message')
    // Node's own padding check knows blocks of 16 bytes only: WeChat pads to 32.
    const decipher = createDecipheriv('aes-256-cbc', this.#key, this.#iv).setAutoPadding(false)
    const plain = Buffer.concat([decipher.update(bytes), decipher.final()])
    const padding = plain.at(-1) ?? 0
    if (padding < 1 || padding > BLOCK || plain.length - padding < HEAD) {
      throw new CallbackError('not encrypted with this EncodingAESKey')
    }
    return plain.subarray(0, -padding)
  }
}
