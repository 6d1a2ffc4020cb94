import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { numbered, SPENT } from '../fixtures/file-plan.js'
import { folder, opened } from '../fixtures/file-processes.js'
import { VirtualClock } from '../support/virtual-clock.js'

const whole = {
  format: 'token-thread',
  version: 1,
  accounts: {
    a: {
      epoch: 5,
      leaseEnds: 0,
      token: { ...numbered(5), accessToken: 'secret-token', epoch: 5 },
      suspectSince: 5,
      spent: { ...SPENT, lastCall: 1, lastForced: 2 },
      retry: { at: 3, failures: 1 },
    },
  },
}

/** The store reads as empty, and what was in the file is beside it, byte for byte. */
async function expectSetAside(bytes: Buffer): Promise<void> {
  const path = join(folder(), 'tokens.json')
  writeFileSync(path, bytes)
  const { store, warnings } = opened(path)
  const { epoch, token, spent } = await store.load('a')
  expect([epoch, token, spent.calls]).toEqual([0, undefined, 0])
  const aside = readdirSync(dirname(path)).filter((name) => name !== basename(path))
  expect(aside).toEqual([expect.stringMatching(/^tokens\.json\.damaged-\d{4}-\d\d-\d\dT[\d-]+\.\d{3}Z$/)])
  expect(readFileSync(join(dirname(path), aside[0] ?? '')).equals(bytes)).toBe(true)
  expect(warnings).toEqual([expect.stringContaining(aside[0] ?? '')])
  expect(warnings.join()).not.toContain('secret')
}

const text = JSON.stringify(whole)

it('a store whose file was damaged goes on, and speaks of it once', async () => {
  const path = join(folder(), 'tokens.json')
  writeFileSync(path, text.slice(1))
  const { store, warnings } = opened(path)
  const { stored } = await store.acquire('a', { duration: 60_000, known: 0 })
  expect(await store.publish('a', stored.epoch, numbered(stored.epoch))).toBe(true)
  expect((await opened(path).store.load('a')).token?.generation).toBe(stored.epoch)
  expect(warnings).toHaveLength(1)
})

describe('a damaged file is set aside, its bytes unchanged, and said once:', () => {
  it('nothing is wrong with the one that is damaged below', async () => {
    const path = join(folder(), 'tokens.json')
    writeFileSync(path, text)
    const { store, warnings } = opened(path)
    expect((await store.load('a')).token?.accessToken).toBe('secret-token')
    expect(warnings).toEqual([])
  })

  it('cut off at any length', async () => {
    for (let length = 0; length < text.length; length++)
      await expectSetAside(Buffer.from(text.slice(0, length)))
  })

  it('garbage, and bytes that are no text', async () => {
    const noText = Buffer.from(text)
    noText[text.indexOf('secret')] = 0xff
    for (const bytes of [
      Buffer.alloc(4096),
      Buffer.from([0xff, 0xfe, 0x00]),
      Buffer.from('\ufeff{}'),
      noText,
    ])
      await expectSetAside(bytes)
  })

  it('another program’s', async () => {
    const foreign = ['{}', '[]', 'null', '1', '"text"', '{"name":"app","version":"1.0.0"}']
    const versions = [0, -1, 0.5, '1', null, [1]].map((version) => JSON.stringify({ ...whole, version }))
    const formats = ['other', 1, null].map((format) => JSON.stringify({ ...whole, format }))
    for (const one of [...foreign, ...versions, ...formats]) await expectSetAside(Buffer.from(one))
  })

  it('a wrong type in any field', async () => {
    for (const { 0: number, 1: field = '', index } of text.matchAll(/"(\w+)":\d+/g)) {
      if (field === 'version') continue
      for (const wrong of ['"1"', 'null', '1.5', '1e300', '{}', '[1]', 'true']) {
        const rest = text.slice(index + number.length)
        await expectSetAside(Buffer.from(`${text.slice(0, index)}"${field}":${wrong}${rest}`))
      }
    }
    const { a } = whole.accounts
    const accounts: unknown[] = [
      [],
      null,
      { a: null },
      { a: [] },
      { a: { ...a, token: [] } },
      { a: { ...a, token: null } },
      { a: { ...a, token: { ...a.token, accessToken: 1 } } },
      { a: { ...a, spent: undefined } },
      { a: { ...a, spent: [] } },
      { a: { ...a, retry: 'soon' } },
      { a: { ...a, epoch: undefined } },
      { a, b: { ...a, leaseEnds: undefined } },
    ]
    for (const one of accounts) await expectSetAside(Buffer.from(JSON.stringify({ ...whole, accounts: one })))
  })

  it('beside one that was set aside at the same time', async () => {
    const path = join(folder(), 'tokens.json')
    const { store, warnings } = opened(path, {
      clock: new VirtualClock(),
    })
    for (const one of ['first', 'second', 'third']) {
      writeFileSync(path, one)
      await store.load('a')
    }
    const kept = readdirSync(dirname(path)).map((name) => readFileSync(join(dirname(path), name), 'utf8'))
    expect(kept.sort()).toEqual(expect.arrayContaining(['first', 'second', 'third']))
    expect(warnings).toHaveLength(3)
  })
})
