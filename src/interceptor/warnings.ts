import type { Dispatcher } from 'undici'
import type { Clock } from '../clock.js'
import { LaterTurn } from '../later-turn.js'
import { defaultLogger, type Logger, logTo, type WriteLog } from '../logger.js'
import { Repeats } from '../repeats.js'
import { originOf } from './request-plan.js'

/** Says which refused requests could not be healed, and why; the same again only now and then. */
export class UnhealedWarnings {
  readonly #logger: Logger | false | undefined
  readonly #clock: Clock
  readonly #repeats = new Map<string, Repeats>()
  /** No foreign code runs within undici's own callbacks: what it throws would end the request. */
  readonly #later = new LaterTurn()
  #write: WriteLog | undefined

  constructor(logger: Logger | false | undefined, clock: Clock) {
    this.#logger = logger
    this.#clock = clock
  }

  tell({ method, origin, path }: Dispatcher.DispatchOptions, why: string): void {
    let repeats = this.#repeats.get(why)
    if (!repeats) this.#repeats.set(why, (repeats = new Repeats(this.#clock)))
    // Without its query: it may hold secrets of the caller's own.
    const pathname = path.replace(/[?#].*/s, '')
    const untold = repeats.tell(`${method} ${pathname}`)
    if (untold === undefined) return
    const write = (this.#write ??= logTo(this.#logger ?? defaultLogger()))
    const fields = {
      method,
      origin: originOf(origin),
      path: pathname,
      ...(untold > 0 && { repeated: untold }),
    }
    const message = `the API refused the token of a request that could not be sent again: ${why}`
    this.#later.push(() => write({ level: 'warn', fields, message }))
  }
}
