/** What is known of an answer: it may still be a refusal (`open`), it is one, or it is something else. */
export type Verdict = 'open' | 'refusal' | 'other'

const VALUE = 0
const FIRST_ITEM = 1
const FIRST_KEY = 2
const KEY = 3
const COLON = 4
const STRING = 5
const ESCAPE = 6
const HEX = 7
const NUMBER = 8
const LITERAL = 9
const AFTER = 10
const BEGIN = 11

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

const BOM = [0xef, 0xbb, 0xbf]
const ESCAPED = new Set(Buffer.from('"\\/bfnrt'))
const LITERALS = new Map(['true', 'false', 'null'].map((word) => [word.charCodeAt(0), Buffer.from(word)]))
/** What a number may be while it is incomplete, and what it must be at its end. */
const NUMBER_SO_FAR = /^-?(?:(?:0|[1-9]\d*)(?:\.\d*)?|(?:0|[1-9]\d*)(?:\.\d+)?[eE][+-]?\d*)?$/
const WHOLE_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/**
 * Reads JSON byte by byte, as it comes, and says as soon as that is sure whether it is an object whose own `field` holds
 * one of the codes. The first `field` counts. It is strict: what JSON.parse would refuse is `other` at that byte.
 */
export class AnswerScanner {
  readonly #field: Buffer
  readonly #codes: ReadonlySet<string>
  #state = BEGIN
  #bom = 0
  /** Which containers are open: their closing bytes. */
  readonly #open: number[] = []
  /** The string or number that is being read, where its text matters: keys of the answer itself, and the code. */
  #text: number[] | undefined
  #hasEscapes = false
  #isKey = false
  #isCode = false
  #hexDigits = 0
  #literal: Buffer | undefined
  #literalAt = 0
  #verdict: Verdict = 'open'

  constructor(field: Buffer, codes: ReadonlySet<string>) {
    this.#field = field
    this.#codes = codes
  }

  read(bytes: Uint8Array): Verdict {
    // Counted, not iterated: this runs for each answer.
    for (let i = 0; i < bytes.length && this.#verdict === 'open'; i++) this.#step(bytes[i] ?? 0)
    return this.#verdict
  }

  #step(byte: number): void {
    switch (this.#state) {
      case STRING:
        return this.#inString(byte)
      case ESCAPE:
        return this.#inEscape(byte)
      case HEX:
        return this.#inHex(byte)
      case NUMBER:
        return this.#inNumber(byte)
      case LITERAL:
        if (byte !== this.#literal?.[this.#literalAt]) return this.#end('other')
        this.#literalAt += 1
        if (this.#literalAt === this.#literal.length) this.#state = AFTER
        return
      default:
        if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) this.#between(byte)
    }
  }

  /** A byte that is no whitespace, outside of strings, numbers and words. */
  #between(byte: number): void {
    switch (this.#state) {
      case BEGIN:
        return this.#begin(byte)
      case FIRST_KEY:
        if (byte === CLOSE_BRACE) return this.#close()
        return byte === QUOTE ? this.#beginKey() : this.#end('other')
      case KEY:
        return byte === QUOTE ? this.#beginKey() : this.#end('other')
      case COLON:
        if (byte !== 0x3a) return this.#end('other')
        this.#state = VALUE
        return
      case FIRST_ITEM:
        return byte === CLOSE_BRACKET ? this.#close() : this.#beginValue(byte)
      case VALUE:
        return this.#beginValue(byte)
      default:
        return this.#after(byte)
    }
  }

  #begin(byte: number): void {
    if (byte === BOM[this.#bom]) {
      this.#bom += 1
      return
    }
    if (byte !== OPEN_BRACE || (this.#bom !== 0 && this.#bom !== BOM.length)) return this.#end('other')
    this.#beginContainer(CLOSE_BRACE, FIRST_KEY)
  }

  #beginContainer(closing: number, state: number): void {
    this.#open.push(closing)
    this.#state = state
  }

  #beginKey(): void {
    this.#isKey = true
    this.#beginString(this.#open.length === 1)
  }

  #beginString(matters: boolean): void {
    this.#text = matters ? [] : undefined
    this.#hasEscapes = false
    this.#state = STRING
  }

  #beginValue(byte: number): void {
    if (byte === QUOTE) return this.#beginString(this.#isCode)
    if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) {
      this.#text = [byte]
      this.#state = NUMBER
      return
    }
    // No code is an object, a list or a word.
    if (this.#isCode) return this.#end('other')
    if (byte === OPEN_BRACE) return this.#beginContainer(CLOSE_BRACE, FIRST_KEY)
    if (byte === OPEN_BRACKET) return this.#beginContainer(CLOSE_BRACKET, FIRST_ITEM)
    const literal = LITERALS.get(byte)
    if (!literal) return this.#end('other')
    this.#literal = literal
    this.#literalAt = 1
    this.#state = LITERAL
  }

  #inString(byte: number): void {
    if (byte === QUOTE) return this.#endString()
    if (byte < 0x20) return this.#end('other')
    this.#text?.push(byte)
    if (byte !== BACKSLASH) return
    this.#hasEscapes = true
    this.#state = ESCAPE
  }

  #inEscape(byte: number): void {
    this.#text?.push(byte)
    if (byte === 0x75) {
      this.#hexDigits = 0
      this.#state = HEX
    } else if (ESCAPED.has(byte)) this.#state = STRING
    else this.#end('other')
  }

  #inHex(byte: number): void {
    this.#text?.push(byte)
    const isHex =
      (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66)
    if (!isHex) return this.#end('other')
    this.#hexDigits += 1
    if (this.#hexDigits === 4) this.#state = STRING
  }

  #endString(): void {
    if (this.#isKey) {
      this.#isKey = false
      this.#isCode = this.#text !== undefined && this.#isField(this.#text)
      this.#state = COLON
      return
    }
    if (this.#isCode && this.#text) return this.#judge(this.#decoded(this.#text))
    this.#state = AFTER
  }

  #inNumber(byte: number): void {
    const text = this.#text ?? []
    const isOfNumber =
      (byte >= 0x30 && byte <= 0x39) ||
      byte === 0x2e ||
      byte === 0x2d ||
      byte === 0x2b ||
      byte === 0x65 ||
      byte === 0x45
    if (isOfNumber) {
      text.push(byte)
      // Digits after digits need no look; a leading zero or sign, a point and an exponent do.
      if ((byte < 0x30 || byte > 0x39 || text.length <= 3) && !NUMBER_SO_FAR.test(ascii(text)))
        this.#end('other')
      return
    }
    const number = ascii(text)
    if (!WHOLE_NUMBER.test(number)) return this.#end('other')
    if (this.#isCode) return this.#judge(String(Number(number)))
    this.#state = AFTER
    this.#step(byte)
  }

  #after(byte: number): void {
    const closing = this.#open.at(-1)
    if (byte === COMMA) this.#state = closing === CLOSE_BRACE ? KEY : VALUE
    else if (byte === closing) this.#close()
    else this.#end('other')
  }

  #close(): void {
    this.#open.pop()
    this.#state = AFTER
    // The whole answer, and no code in it.
    if (this.#open.length === 0) this.#end('other')
  }

  #isField(text: readonly number[]): boolean {
    if (this.#hasEscapes) return this.#decoded(text) === this.#field.toString()
    return text.length === this.#field.length && text.every((byte, i) => byte === this.#field[i])
  }

  #decoded(text: readonly number[]): string {
    const raw = Buffer.from(text).toString()
    return this.#hasEscapes ? String(JSON.parse(`"${raw}"`)) : raw
  }

  #judge(code: string): void {
    this.#end(this.#codes.has(code) ? 'refusal' : 'other')
  }

  #end(verdict: Verdict): void {
    this.#verdict = verdict
  }
}

function ascii(bytes: readonly number[]): string {
  return String.fromCharCode(...bytes)
}
