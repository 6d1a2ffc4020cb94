import type { Dispatcher } from 'undici'

type Headers = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2]
type RawHeaders = NonNullable<Dispatcher.DispatchController['rawHeaders']> | null

/** Takes tokens out of the `Location` of answers: whoever follows it must not carry one along. */
export class LocationGuard {
  readonly #tokens: readonly string[]
  #anySpelling: RegExp | undefined

  constructor(...tokens: string[]) {
    this.#tokens = tokens
  }

  headers(headers: Headers): Headers {
    const { location } = headers
    if (location === undefined) return headers
    const safe = Array.isArray(location) ? location.map((one) => this.strip(one)) : this.strip(location)
    return { ...headers, location: safe }
  }

  /** The headers as they came over the wire: a flat list of buffers or strings, or an object (HTTP/2). */
  rawHeaders(raw: RawHeaders): RawHeaders {
    if (!raw) return raw
    if (!Array.isArray(raw)) return this.headers(raw)
    if (isTextList(raw)) return raw.map((item, i) => (isLocation(raw[i - 1], i) ? this.strip(item) : item))
    return raw.map((item, i) =>
      isLocation(raw[i - 1], i) ? Buffer.from(this.strip(item.toString('latin1')), 'latin1') : item,
    )
  }

  /** A query parameter that holds the token goes whole; anywhere else the token alone goes, however it is encoded. */
  strip(location: string): string {
    // A URL's reader drops these wherever they stand (URL Standard, "basic URL parser"): so must whoever looks for a token.
    const url = location.replaceAll(/[\t\r\n]/g, '')
    if (!this.#spellings().test(url)) return location
    const [, bare = '', query, fragment = ''] = /^([^?#]*)(?:\?([^#]*))?(#.*)?$/s.exec(url) ?? []
    const kept = query?.split('&').filter((parameter) => !this.#isAllOf(parameter))
    const rest = bare + (kept && kept.length > 0 ? `?${kept.join('&')}` : '') + fragment
    // Removing may bring pieces together to the token again.
    let safe = rest
    while (this.#spellings().test(safe)) safe = safe.replaceAll(new RegExp(this.#spellings(), 'g'), '')
    return safe
  }

  #isAllOf(parameter: string): boolean {
    const value = parameter.slice(parameter.indexOf('=') + 1)
    return this.#spellings().exec(value)?.[0] === value
  }

  /** Each byte may be written as it is or percent-encoded, several times over where a URL stands inside a URL. */
  #spellings(): RegExp {
    this.#anySpelling ??= new RegExp(this.#tokens.map(spellingsOf).join('|'))
    return this.#anySpelling
  }
}

function spellingsOf(token: string): string {
  return [...Buffer.from(token)]
    .map((byte) => {
      const hex = byte.toString(16).padStart(2, '0')
      const encoded = `%(?:25)*${hex.replaceAll(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`)}`
      return `(?:${byte < 0x80 ? `\\x${hex}|` : ''}${encoded})`
    })
    .join('')
}

function isTextList(raw: readonly (Buffer | string)[]): raw is string[] {
  return typeof raw[0] === 'string'
}

/** Whether the item at `index` is the value of a `Location`, whose name stands before it. */
function isLocation(name: Buffer | string | undefined, index: number): boolean {
  return index % 2 === 1 && name?.length === 8 && name.toString().toLowerCase() === 'location'
}
