import type { TokenThreadOptions } from '../../src/options.js'
import { TokenThread } from '../../src/token-thread.js'
import type { Limits } from '../../workers/schedule.js'
import { cleanUp } from './cleanup.js'
import { type KeepingLogger, keepingLogger } from './log.js'
import { CLASSIC, ScriptedIssuer, STABLE } from './scripted-issuer.js'
import { ACCOUNT } from './start.js'
import { VirtualClock } from './virtual-clock.js'
import { VirtualStore } from './virtual-store.js'
import { VirtualSystem } from './virtual-system.js'

export interface Node {
  readonly tokens: TokenThread
  readonly system: VirtualSystem
  readonly logger: KeepingLogger
}

/** The token that each has. */
export const held = (nodes: readonly Node[]): (string | undefined)[] =>
  nodes.map(({ tokens }) => tokens.current?.accessToken)

/** What they have logged of this. */
export const said = (nodes: readonly Node[], what: string): string[] =>
  nodes.flatMap(({ logger }) =>
    logger.lines.map(({ message }) => message).filter((text) => text.includes(what)),
  )

/** Several processes with one store and one issuer, on one virtual clock. */
export class VirtualFleet {
  readonly clock = new VirtualClock()
  readonly store = new VirtualStore(this.clock)
  readonly issuer: ScriptedIssuer
  readonly #endpoint: 'stable' | 'classic'

  constructor(
    endpoint: 'stable' | 'classic' = 'classic',
    limits: Limits = endpoint === 'classic' ? CLASSIC : STABLE,
  ) {
    this.#endpoint = endpoint
    this.issuer = new ScriptedIssuer(limits, this.clock)
  }

  /** One more process, just started. */
  node(options: TokenThreadOptions = {}, random = 0.5): Node {
    const { system, logger, all } = this.#parts(options, random)
    const tokens = new TokenThread(all, system.runtime)
    cleanUp(() => tokens.close())
    return { tokens, system, logger }
  }

  /** One more process, that waits for its first token. */
  async starting(options: TokenThreadOptions = {}): Promise<TokenThread> {
    const { system, all } = this.#parts(options, 0.5)
    const tokens = await TokenThread.start(all, system.runtime)
    cleanUp(() => tokens.close())
    return tokens
  }

  /** So many processes, each with the fleet's first token. */
  async nodes(count: number, options: TokenThreadOptions = {}): Promise<[Node, ...Node[]]> {
    const first = this.node(options)
    await this.clock.advance(1_000)
    const others = Array.from({ length: count - 1 }, (_, i) => this.node(options, (i + 1) / count))
    await this.clock.advance(1_000)
    return [first, ...others]
  }

  #parts(
    options: TokenThreadOptions,
    random: number,
  ): {
    readonly system: VirtualSystem
    readonly logger: KeepingLogger
    readonly all: TokenThreadOptions
  } {
    const system = new VirtualSystem(() => this.issuer, this)
    system.random = random
    // No thread of a fleet hangs here, and hours of signs of life take seconds.
    system.runtime.heartbeat = 600_000
    const logger = keepingLogger()
    const store = { kind: 'file', path: '/where/nobody/looks' } as const
    return { system, logger, all: { ...ACCOUNT, endpoint: this.#endpoint, store, logger, ...options } }
  }
}
