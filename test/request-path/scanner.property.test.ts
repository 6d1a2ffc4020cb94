import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AnswerReader, HELD_BYTES } from '../../src/interceptor/answer-reader.js'
import { AnswerScanner, type Verdict } from '../../src/interceptor/answer-scanner.js'

const FIELD = Buffer.from('errcode')
const CODES = new Set(['40001', '42001', 'InvalidToken'])
const runs = { numRuns: Math.ceil(300 * Number(process.env.PROPERTY_RUNS ?? 1)) }

/** Feeds the text cut at random places; how far it read until it was sure. */
function scan(bytes: Buffer, cuts: readonly number[]): { verdict: Verdict; looked: number } {
  const scanner = new AnswerScanner(FIELD, CODES)
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  let from = 0
  for (const to of [...at, bytes.length]) {
    const verdict = scanner.read(bytes.subarray(from, to))
    from = to
    if (verdict !== 'open') return { verdict, looked: to }
  }
  return { verdict: 'open', looked: bytes.length }
}

const codes = fc.oneof(
  fc.constantFrom(40001, 42001, 0, 48001, 40001.0, 4.0001e4, '40001', 'InvalidToken', 'no', null, true),
  fc.jsonValue({ maxDepth: 2 }),
)
const cuts = fc.array(fc.nat(), { maxLength: 12 })
const keys = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom('errcode', 'errmsg', 'errcod'),
)
/** Objects with and without the field, at the top and deeper, in any order, written in any way. */
const answers = fc
  .tuple(
    fc.array(fc.tuple(keys, fc.jsonValue({ maxDepth: 3 }))),
    fc.option(codes, { nil: undefined }),
    fc.nat(),
  )
  .map(([pairs, code, at]) => {
    const object = new Map<string, unknown>(pairs)
    if (code === undefined) return Object.fromEntries(object)
    object.delete('errcode')
    const entries = [...object]
    entries.splice(at % (entries.length + 1), 0, ['errcode', code])
    return Object.fromEntries(entries)
  })

function expected(answer: unknown): Verdict {
  const code: unknown =
    typeof answer === 'object' && answer !== null && Object.hasOwn(answer, 'errcode')
      ? Reflect.get(answer, 'errcode')
      : undefined
  return (typeof code === 'number' || typeof code === 'string') && CODES.has(String(code))
    ? 'refusal'
    : 'other'
}

describe('the scanner', () => {
  test('any JSON object, cut anywhere: what JSON.parse would find', () => {
    fc.assert(
      fc.property(answers, cuts, fc.nat({ max: 3 }), fc.boolean(), (answer, at, space, isMarked) => {
        const text = (isMarked ? '\ufeff' : '') + JSON.stringify(answer, undefined, space)
        const { verdict } = scan(Buffer.from(text), at)
        expect(verdict).toBe(expected(JSON.parse(JSON.stringify(answer))))
      }),
      runs,
    )
  })

  test('escapes in key and code', () => {
    for (const text of [
      '{"err\\u0063ode":40001}',
      '{"errcode":"Invalid\\u0054oken"}',
      '{"x":{"errcode":0},"errcode":42001}',
    ])
      expect(scan(Buffer.from(text), [5, 9]).verdict).toBe('refusal')
    for (const text of [
      '{"err\\\\u0063ode":40001}',
      '{"x":{"errcode":40001}}',
      '[{"errcode":40001}]',
      '"errcode"',
    ])
      expect(scan(Buffer.from(text), [5, 9]).verdict).toBe('other')
  })

  test('a changed byte: never a refusal where JSON.parse sees none before it was sure', () => {
    fc.assert(
      fc.property(answers, fc.nat(), fc.nat({ max: 255 }), (answer, at, byte) => {
        const bytes = Buffer.from(JSON.stringify({ a: 1, ...answer }))
        bytes[at % bytes.length] = byte
        const { verdict } = scan(bytes, [])
        let parsed: unknown
        try {
          parsed = JSON.parse(bytes.toString('latin1'))
        } catch {
          // Broken behind the code, it may be a refusal all the same; a text that never was sure is an unfinished one.
          return
        }
        if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
          expect(verdict).not.toBe('open')
        else expect(verdict).toBe('other')
      }),
      runs,
    )
  })

  test.for<[string, number]>([
    ['<html>', 1],
    ['\u00ff\u00d8', 1],
    ['  [1]', 3],
    ['{"errcode":0,"x":1}', 13],
    ['{"errcode":0}', 13],
    ['{"errcode":"ok","x":1}', 15],
    ['{"errcode":{"a":1}}', 12],
    ['{"a":tru_', 9],
    ['{"a":01', 7],
    ['{"a":1.e', 8],
    ['{a', 2],
    ['{"a"}', 5],
    ['{"a":1,}', 8],
    ['{"a":"\n', 7],
    ['{"a":"\\x', 8],
    ['{"a":[1}', 8],
    ['{}', 2],
  ])('lets go at the first byte that can’t begin a refusal: %s', ([text, at]) => {
    const bytes = Buffer.from(text, 'latin1')
    expect(new AnswerScanner(FIELD, CODES).read(bytes.subarray(0, at - 1))).toBe('open')
    expect(new AnswerScanner(FIELD, CODES).read(bytes.subarray(0, at))).toBe('other')
  })
})

describe('the reader', () => {
  const codings = {
    none: [undefined, (bytes: Buffer) => bytes],
    gzip: ['gzip', gzipSync],
    'gzip, unsaid': [undefined, gzipSync],
    'x-gzip': ['X-GZIP', gzipSync],
    deflate: ['deflate', deflateSync],
    'raw deflate': ['deflate', deflateRawSync],
    br: ['br', brotliCompressSync],
    'gzip twice': ['gzip, gzip', (bytes: Buffer) => gzipSync(gzipSync(bytes))],
  } as const

  test.for(Object.entries(codings))(
    '%s: cut anywhere, the same verdict; never open beyond 4 KiB',
    ([, coding]) => {
      const [name, encode] = coding
      fc.assert(
        fc.property(answers, cuts, fc.nat({ max: 6000 }), (answer, at, padding) => {
          const text = JSON.stringify({ padding: 'x'.repeat(padding), ...answer })
          const raw = encode(Buffer.from(text))
          const reader = new AnswerReader(FIELD, CODES, name)
          const places = [...new Set(at.map((cut) => cut % (raw.length + 1)))].sort((a, b) => a - b)
          let verdict: Verdict = 'open'
          let from = 0
          for (const to of [...places, raw.length]) {
            if (verdict === 'open' && to > from) verdict = reader.read(raw.subarray(from, to))
            if (verdict === 'open') expect(to).toBeLessThanOrEqual(HELD_BYTES)
            from = to
          }
          if (verdict === 'open') verdict = reader.end()
          if (Buffer.byteLength(text) <= HELD_BYTES) expect(verdict).toBe(expected(JSON.parse(text)))
          else if (verdict === 'refusal') expect(expected(JSON.parse(text))).toBe('refusal')
        }),
        { numRuns: Math.ceil(runs.numRuns / 4) },
      )
    },
  )

  test('a bomb, a broken stream, an unknown coding and a third layer are let go', () => {
    const refusal = Buffer.from('{"errcode":40001}')
    const read = (coding: string | undefined, bytes: Buffer): Verdict =>
      new AnswerReader(FIELD, CODES, coding).read(bytes)
    expect(read('gzip', gzipSync(Buffer.alloc(1_000_000, ' ')))).toBe('other')
    expect(read('gzip', Buffer.from('no gzip at all'))).toBe('other')
    expect(read('zstd-of-tomorrow', refusal)).toBe('other')
    expect(read('gzip, gzip, gzip', refusal)).toBe('other')
  })

  test('one byte at a time', () => {
    const raw = gzipSync(Buffer.from(`{"errmsg":"${'é'.repeat(500)}","errcode":40001}`))
    const reader = new AnswerReader(FIELD, CODES, 'gzip')
    const verdicts = Array.from(raw, (_, i) => reader.read(raw.subarray(i, i + 1)))
    expect(verdicts.includes('other')).toBe(false)
    expect(verdicts.includes('refusal') || reader.end() === 'refusal').toBe(true)
  })
})
