import { watch as watchFolder } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Notice } from '../../../src/store.js'
import { quietly } from './disk.js'
import { newsOf } from '../record.js'
import { type Damaged, type Document, EMPTY_DOCUMENT, isDamaged } from './document.js'

type OnNotice = (notice: Notice | undefined) => void

/** Tells what is new in the file since this watcher last looked. */
class Watcher {
  readonly #onNotice: OnNotice
  #seen: Document = EMPTY_DOCUMENT

  constructor(onNotice: OnNotice) {
    this.#onNotice = onNotice
  }

  /** What is there before the first look is no news. */
  begin(document: Document): void {
    this.#seen = document
  }

  look(document: Document): void {
    const before = this.#seen.accounts
    this.#seen = document
    for (const [key, record] of document.accounts)
      for (const notice of newsOf(key, before.get(key), record)) this.#onNotice(notice)
  }
}

export class Watching {
  readonly #watchers = new Map<Watcher, () => void>()

  /** `read` gives the file as it is now. Where that fails, the next change is waited for. */
  watch(file: string, read: () => Document | Damaged, onNotice: OnNotice): () => void {
    const watcher = new Watcher(onNotice)
    const whole = (look: (document: Document) => void): void =>
      quietly(() => {
        const found = read()
        if (!isDamaged(found)) look(found)
      })
    whole((document) => watcher.begin(document))
    const stop = onEachChange(
      file,
      () => whole((document) => watcher.look(document)),
      () => onNotice(undefined),
    )
    this.#watchers.set(watcher, stop)
    return () => {
      stop()
      this.#watchers.delete(watcher)
    }
  }

  /** This process wrote the file: no need to wait for the system to say so. */
  look(document: Document): void {
    for (const watcher of this.#watchers.keys()) watcher.look(document)
  }

  close(): void {
    for (const stop of this.#watchers.values()) stop()
    this.#watchers.clear()
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
