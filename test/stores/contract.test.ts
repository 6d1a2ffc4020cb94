import { randomBytes } from 'node:crypto'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import { describe, it } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { storeContract } from '../../testing/store-contract.js'
import { encryptedStore, plainStore } from '../../workers/stores/encrypted.js'
import { memoryStore } from '../../workers/stores/memory.js'
import { folder, opened } from '../fixtures/file-processes.js'

// The project `sqlite` has them, where there is one.
if (!isBuiltin('node:sqlite')) it.skip('all that is tested of SQLite, which needs Node 22.13 or newer')

describe('memory keeps the contract of a store:', () => {
  for (const { name, run } of storeContract) {
    it(name, () => {
      const store = memoryStore(systemClock)
      return run(() => ({ ...store, close: () => undefined }))
    })
  }
})

describe('a file keeps the contract of a store:', () => {
  for (const { name, run } of storeContract) {
    it(name, () => {
      const path = join(folder(), 'tokens.json')
      return run(() => plainStore(opened(path).store))
    })
  }
})

describe('an encrypted file keeps the contract of a store:', () => {
  const keys = [randomBytes(32).toString('base64')]
  for (const { name, run } of storeContract) {
    it(name, () => {
      const path = join(folder(), 'tokens.json')
      return run(() => encryptedStore(opened(path).store, keys))
    })
  }
})
