import type { Dispatcher } from 'undici'

/** undici takes headers as an object, as a flat list of names and values, and as anything that iterates over pairs. */
type Headers = Dispatcher.DispatchOptions['headers']
type Pair = [string, string | string[] | undefined]

/** The same options with headers that can be read more than once: an iterable may be spent after one reading. */
export function headersToSendTwice(opts: Dispatcher.DispatchOptions): Dispatcher.DispatchOptions {
  const { headers } = opts
  if (!headers || Array.isArray(headers) || !isIterable(headers)) return opts
  return { ...opts, headers: iterableOf([...headers]) }
}

export function hasHeader(headers: Headers, name: string): boolean {
  const wanted = name.toLowerCase()
  if (!headers) return false
  if (Array.isArray(headers)) return headers.some((item, i) => i % 2 === 0 && isNamed(item, wanted))
  if (isIterable(headers)) return [...headers].some(([item]) => isNamed(item, wanted))
  for (const [key, value] of Object.entries(headers)) {
    if (value !== undefined && key.toLowerCase() === wanted) return true
  }
  return false
}

export function withHeader(headers: Headers, name: string, value: string): NonNullable<Headers> {
  if (!headers) return { [name]: value }
  if (Array.isArray(headers)) return [...headers, name, value]
  if (isIterable(headers)) return iterableOf([...headers, [name, value]])
  return { ...headers, [name]: value }
}

function isIterable(headers: object): headers is Iterable<Pair> {
  return Symbol.iterator in headers
}

/** No array: undici would read that as a flat list. */
function iterableOf(pairs: readonly Pair[]): Iterable<Pair> {
  return { [Symbol.iterator]: () => pairs[Symbol.iterator]() }
}

function isNamed(item: unknown, wanted: string): boolean {
  // A list may hold buffers, too.
  return (typeof item === 'string' || Buffer.isBuffer(item)) && item.toString().toLowerCase() === wanted
}
