import { brotliDecompressSync, constants, gunzipSync, inflateRawSync, inflateSync } from 'node:zlib'
import { AnswerScanner, type Verdict } from './answer-scanner.js'

/** Bytes of an answer that are held at most, and looked at: a refusal is short. */
export const HELD_BYTES = 4_096

/** Bytes that the held ones may inflate to; only the first HELD_BYTES of them are looked at. */
const INFLATED_BYTES = 65_536
/** So many chunks are inflated each as it comes; after that only when there is a quarter more. */
const PROMPT_CHUNKS = 32

type Decode = (raw: Buffer) => Buffer

/** Flushing gives what is there already: the end of the answer may still be on its way. */
const ZLIB = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: INFLATED_BYTES }
const BROTLI = { finishFlush: constants.BROTLI_OPERATION_FLUSH, maxOutputLength: INFLATED_BYTES }

const gunzip: Decode = (raw) => gunzipSync(raw, ZLIB)
const DECODERS = new Map<string, Decode>([
  ['gzip', gunzip],
  ['x-gzip', gunzip],
  // Servers send both kinds under this name; the low nibble of zlib's first byte is 8.
  ['deflate', (raw) => ((raw[0] ?? 0) % 16 === 8 ? inflateSync(raw, ZLIB) : inflateRawSync(raw, ZLIB))],
  ['br', (raw) => brotliDecompressSync(raw, BROTLI)],
])

const NONE: readonly undefined[] = []
const NO_BYTES = Buffer.alloc(0)

function codingsOf(contentEncoding: string | string[]): (Decode | undefined)[] {
  return String(contentEncoding)
    .toLowerCase()
    .split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding !== 'identity')
    .map((coding) => DECODERS.get(coding))
}

/** Reads the beginning of an answer as it comes, inflated where it is compressed, and says whether it is a refusal. */
export class AnswerReader {
  readonly #scanner: AnswerScanner
  /** Last applied, first undone; undefined: nothing says that it is compressed. */
  readonly #decoders: readonly Decode[] | undefined
  /** A coding that can't be read here. */
  readonly #isUnknown: boolean
  #raw: Buffer = NO_BYTES
  #scanned = 0
  #chunks = 0
  #inflateFrom = 0

  constructor(field: Buffer, codes: ReadonlySet<string>, contentEncoding: string | undefined) {
    this.#scanner = new AnswerScanner(field, codes)
    const codings = contentEncoding === undefined ? NONE : codingsOf(contentEncoding)
    this.#decoders = codings.length === 0 ? undefined : codings.filter((one) => one !== undefined).reverse()
    this.#isUnknown = codings.includes(undefined) || codings.length > 2
  }

  read(chunk: Buffer): Verdict {
    if (this.#isUnknown) return 'other'
    if (this.#decoders === undefined && this.#raw.length === 0 && this.#isPlain(chunk))
      return this.#scan(chunk)
    const isTooLong = this.#raw.length + chunk.length > HELD_BYTES
    this.#raw = Buffer.concat([this.#raw, chunk.subarray(0, HELD_BYTES - this.#raw.length)])
    // Some servers compress without saying so: gzip's magic number tells.
    if (this.#decoders === undefined) {
      if (this.#raw.length < 2) return 'open'
      if (this.#raw[1] !== 0x8b) return this.#scan(this.#raw)
    }
    this.#chunks += 1
    if (this.#chunks > PROMPT_CHUNKS && this.#raw.length < this.#inflateFrom && !isTooLong) return 'open'
    this.#inflateFrom = Math.ceil(this.#raw.length * 1.25)
    const verdict = this.#scanInflated()
    return verdict === 'open' && isTooLong ? 'other' : verdict
  }

  /** The answer has ended; what was not looked at yet is. */
  end(): Verdict {
    if (this.#raw.length < 2 || this.#isUnknown) return 'other'
    return this.#scanInflated() === 'refusal' ? 'refusal' : 'other'
  }

  #isPlain(chunk: Buffer): boolean {
    return this.#scanned > 0 || (chunk.length > 0 && chunk[0] !== 0x1f)
  }

  #scanInflated(): Verdict {
    let text: Buffer
    try {
      text = (this.#decoders ?? [gunzip]).reduce<Buffer>((raw, decode) => decode(raw), this.#raw)
    } catch {
      // Broken, or too much of it: no refusal is either.
      return 'other'
    }
    return this.#scan(text.subarray(this.#scanned))
  }

  #scan(text: Buffer): Verdict {
    const room = HELD_BYTES - this.#scanned
    const verdict = this.#scanner.read(text.subarray(0, room))
    this.#scanned += Math.min(text.length, room)
    return verdict === 'open' && text.length > room ? 'other' : verdict
  }
}
