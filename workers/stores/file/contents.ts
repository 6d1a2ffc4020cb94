import type { BigIntStats } from 'node:fs'
import { bytesOf, identityOf, statOf } from './disk.js'
import { type Damaged, type Document, EMPTY_DOCUMENT, isDamaged, parse } from './document.js'

/** ms after which a file system's clock has certainly ticked. */
const TICK = 100
/** The same where times are whole seconds, as on FAT. */
const LONG_TICK = 3_000
const SECOND = 1_000_000_000n

/** What is in the file, read and understood once for each time that it was written. */
export class Contents {
  readonly #now: () => number
  #known: { readonly bytes: Buffer; readonly document: Document } | undefined
  /** Of the file that has these bytes. Undefined: it may yet get others. */
  #identity: string | undefined

  constructor(now: () => number) {
    this.#now = now
  }

  /** As it is now. A file that nobody wrote since is known by its identity: that costs no reading. */
  read(file: string): Document | Damaged {
    const now = this.#now()
    const stat = statOf(file)
    if (!stat) return EMPTY_DOCUMENT
    const identity = identityOf(stat)
    if (this.#known && identity === this.#identity) return this.#known.document
    const found = this.readBytes(file)
    // An inode's number is given out again, and times only tick: a file that is newer than that may get the same ones.
    if (found === this.#known?.document && now - changedAt(stat) > tickOf(stat)) this.#identity = identity
    return found
  }

  /** The same by its bytes, for whoever changes it. */
  readBytes(file: string): Document | Damaged {
    const bytes = bytesOf(file)
    if (!bytes) return EMPTY_DOCUMENT
    if (this.#known?.bytes.equals(bytes)) return this.#known.document
    const found = parse(bytes)
    if (!isDamaged(found)) this.wrote(bytes, found)
    return found
  }

  /** These bytes are in place now. */
  wrote(bytes: Buffer, document: Document): void {
    this.#known = { bytes, document }
    this.#identity = undefined
  }
}

/** ms since the epoch. No program can set it. */
const changedAt = ({ ctimeNs }: BigIntStats): number => Number(ctimeNs / 1_000_000n)

const tickOf = ({ ctimeNs }: BigIntStats): number => (ctimeNs % SECOND === 0n ? LONG_TICK : TICK)
