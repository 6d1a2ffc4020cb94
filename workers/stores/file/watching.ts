import { watch as watchFolder } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Notice } from '../../../src/store.js'
import { newsOf } from '../record.js'
import { quietly } from './disk.js'
import { type Damaged, type Document, EMPTY_DOCUMENT, isDamaged } from './document.js'

type OnNotice = (notice: Notice | undefined) => void

/**
 * Tells all who watch what is new in the file since it was last looked at: once for each change, however many they are.
 */
export class Watching {
  /** Gives the file as it is now. */
  readonly #read: (file: string) => Document | Damaged
  /** By an object of their own: the same function may be given twice. */
  readonly #watchers = new Set<{ readonly onNotice: OnNotice }>()
  #seen: Document = EMPTY_DOCUMENT
  #watched: { readonly file: string; readonly stop: () => void } | undefined

  constructor(read: (file: string) => Document | Damaged) {
    this.#read = read
  }

  /** `fileOf` is asked by the first who watches. */
  watch(fileOf: () => string, onNotice: OnNotice): () => void {
    this.#watched ??= this.#begin(fileOf())
    // What is there before is no news to this one, but may be to the others.
    this.#lookInto(this.#watched.file)
    const watcher = { onNotice }
    this.#watchers.add(watcher)
    return () => {
      this.#watchers.delete(watcher)
      if (this.#watchers.size === 0) this.close()
    }
  }

  /** This process wrote the file: no need to wait for the system to say so. */
  look(document: Document): void {
    if (document === this.#seen) return
    const before = this.#seen.accounts
    this.#seen = document
    for (const [key, record] of document.accounts) {
      const known = before.get(key)
      if (known !== record) for (const notice of newsOf(key, known, record)) this.#tell(notice)
    }
  }

  close(): void {
    this.#watched?.stop()
    this.#watched = undefined
    this.#watchers.clear()
  }

  #begin(file: string): { readonly file: string; readonly stop: () => void } {
    const stop = onEachChange(
      file,
      () => this.#lookInto(file),
      () => this.#lost(),
    )
    return { file, stop }
  }

  /** Where that fails, the next change is waited for. */
  #lookInto(file: string): void {
    quietly(() => {
      const found = this.#read(file)
      if (!isDamaged(found)) this.look(found)
    })
  }

  #lost(): void {
    this.#watched = undefined
    this.#tell(undefined)
  }

  #tell(notice: Notice | undefined): void {
    for (const { onNotice } of this.#watchers) onNotice(notice)
  }
}

/**
 * By the folder, since each write is another file. The system's own notices (inotify on Linux) need none of libuv's
 * pool. Where there are none, or no more of them, readers are left to look by themselves.
 */
function onEachChange(file: string, onChange: () => void, onLost: () => void): () => void {
  try {
    const watcher = watchFolder(dirname(file), { persistent: false }, (_event, name) => {
      if (name === null || name === basename(file)) onChange()
    })
    watcher.on('error', () => {
      watcher.close()
      onLost()
    })
    return () => watcher.close()
  } catch {
    return () => undefined
  }
}
