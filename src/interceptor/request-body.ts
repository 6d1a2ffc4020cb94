import type { Readable } from 'node:stream'

/** undici takes more bodies than its types say. */
export type AnyBody = object | string | null

/** A request's body, so that it can be sent a second time. */
export interface RequestBody {
  /** What the first attempt sends. */
  readonly first: AnyBody
  /** What the second attempt sends, or why there can be none. From now on no more is kept. */
  again(): { readonly body: AnyBody } | { readonly why: string }
  /** There will be no second attempt. */
  forget(): void
}

/** @param limit Bytes of a stream that are kept at most. */
export function requestBody(body: unknown, limit: number): RequestBody | undefined {
  if (isAsOften(body)) return undefined
  if (isStream(body)) return tapped(body, limit)
  if (isIterable(body)) return copied(body, limit)
  // undici knows what it is or refuses it.
  return undefined
}

/** What undici reads without spending it. */
function isAsOften(body: unknown): boolean {
  if (body === null || typeof body !== 'object') return true
  if (ArrayBuffer.isView(body) || body instanceof ArrayBuffer || body instanceof Blob) return true
  const tag: unknown = Reflect.get(body, Symbol.toStringTag)
  return tag === 'FormData' || tag === 'Blob' || tag === 'File'
}

function isStream(body: unknown): body is Readable {
  if (typeof body !== 'object' || body === null) return false
  return 'pipe' in body && typeof body.pipe === 'function' && 'on' in body && typeof body.on === 'function'
}

type Chunks = AsyncIterable<unknown> | Iterable<unknown>

function isIterable(body: unknown): body is Chunks {
  return (
    typeof body === 'object' && body !== null && (Symbol.asyncIterator in body || Symbol.iterator in body)
  )
}

/** undici gets the stream itself (its length, its errors and its end are as without us); whoever reads it is overheard. */
function tapped(stream: Readable, limit: number): RequestBody {
  const kept = new KeptChunks(limit)
  const onData = (chunk: unknown): void => {
    if (!kept.keep(chunk)) stop()
  }
  const onEnd = (): void => kept.end()
  // Listening would start the flow: only when undici begins to read is there a second listener to add.
  const onListener = (event: string | symbol): void => {
    if (event !== 'data') return
    stream.off('newListener', onListener)
    stream.on('data', onData).once('end', onEnd)
  }
  const stop = (): void => {
    stream.off('newListener', onListener).off('data', onData).off('end', onEnd)
  }
  stream.on('newListener', onListener)
  return {
    first: stream,
    again() {
      stop()
      return kept.again()
    },
    forget() {
      stop()
      kept.forget()
    },
  }
}

function copied(chunks: Chunks, limit: number): RequestBody {
  const kept = new KeptChunks(limit)
  return {
    first: {
      async *[Symbol.asyncIterator]() {
        for await (const chunk of chunks) {
          kept.keep(chunk)
          yield chunk
        }
        kept.end()
      },
    },
    again: () => kept.again(),
    forget: () => kept.forget(),
  }
}

class KeptChunks {
  readonly #limit: number
  /** Undefined: there are too many, or nobody needs them any more. */
  #chunks: Buffer[] | undefined = []
  #bytes = 0
  #hasEnded = false

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Copies: a producer may fill the same buffer again. False: there is no need to go on. */
  keep(chunk: unknown): boolean {
    if (!this.#chunks) return false
    // Anything else undici refuses.
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) return true
    this.#bytes += typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.byteLength
    if (this.#bytes > this.#limit) this.#chunks = undefined
    else this.#chunks.push(Buffer.from(chunk))
    return this.#chunks !== undefined
  }

  end(): void {
    this.#hasEnded = true
  }

  again(): { readonly body: Buffer } | { readonly why: string } {
    if (!this.#chunks) return { why: `its body is longer than replayLimit, ${this.#limit} bytes` }
    if (!this.#hasEnded) return { why: 'its body had not been read to its end' }
    return { body: Buffer.concat(this.#chunks) }
  }

  forget(): void {
    this.#chunks = undefined
  }
}
