import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ERROR_MENDS } from '../../src/errors.js'
import { ERRCODES } from '../../workers/providers/wechat-errcodes.js'

const read = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')

/** The rows of the table of errors in a document. */
function errorsIn(name: string): Record<string, string> {
  const [, table = ''] = /<!-- errors -->([^]*)<!-- \/errors -->/.exec(read(name)) ?? []
  return Object.fromEntries(
    [...table.matchAll(/^\| `(\w+)` \| (.+?) +\|$/gm)].map(([, code = '', mend = '']) => [code, mend]),
  )
}

describe('the documents', () => {
  it.each(['README.md', 'docs/errors.md'])(
    '%s shows each error code with its mend, as the code has them',
    (name) => {
      expect(errorsIn(name)).toEqual(ERROR_MENDS)
    },
  )

  it('README.zh-CN.md shows each error code and the same programs', () => {
    expect(Object.keys(errorsIn('README.zh-CN.md'))).toEqual(Object.keys(ERROR_MENDS))
    const headings = (name: string): number => [...read(name).matchAll(/^## /gm)].length
    expect(headings('README.zh-CN.md')).toBe(headings('README.md'))
  })

  it('docs/errors.md names every errcode that is known', () => {
    const text = read('docs/errors.md')
    for (const errcode of ERRCODES.keys()) expect(text).toContain(String(errcode))
  })

  it('README.md names every option', () => {
    const text = read('README.md')
    const types = read('src/options.ts')
    const names = [...types.matchAll(/^ {2}(\w+)\?:/gm)].map(([, name = '']) => name)
    expect(names.length).toBeGreaterThan(12)
    for (const name of names) expect(text).toContain(name)
  })
})
