// Imported: a test's fake timers replace the global one, and events would wait for a clock that is none of theirs.
import { setImmediate } from 'node:timers'

/**
 * Runs what listeners and loggers are told in a later turn, in order: a read that finds news must not run foreign
 * code, and a listener that throws must not keep the next one from hearing.
 */
export class LaterTurn {
  #queue: (() => void)[] = []
  #scheduled = false

  push(run: () => void): void {
    this.#queue.push(run)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.flush())
  }

  flush(): void {
    this.#scheduled = false
    const queue = this.#queue
    this.#queue = []
    for (const run of queue) {
      try {
        run()
      } catch (error) {
        // As with any emitter it is the program's uncaught exception, but after the others have heard.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}
