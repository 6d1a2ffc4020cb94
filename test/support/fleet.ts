import type { Simulator, SimulatorOptions } from '../../simulator/index.js'
import { startSimulator } from '../../simulator/index.js'
import type { StoreOptions } from '../../src/store-options.js'
import type { NodePlan } from '../fixtures/fleet-messages.js'
import { FleetNode } from './fleet-node.js'
import { APP_ID, APP_SECRET } from './simulated.js'

/** ms; for what a loaded machine may take. No expectation is about time. */
const PATIENCE = 90_000

export interface FleetOptions {
  readonly endpoint: 'stable' | 'classic'
  readonly store: StoreOptions
  readonly simulator?: Partial<SimulatorOptions>
  readonly options?: Partial<NodePlan['options']>
  /** ms between the API calls of each process. Default: 200; 0: none. */
  readonly useEvery?: number
}

/** Real processes that share a store, and the simulator that gives them their tokens. */
export class Fleet {
  readonly sim: Simulator
  /** Those that were started and not ended by the test. */
  readonly nodes: FleetNode[] = []
  readonly #options: FleetOptions
  readonly #ended: FleetNode[] = []
  readonly #waiting = new Set<() => void>()
  #started = 0

  private constructor(sim: Simulator, options: FleetOptions) {
    this.sim = sim
    this.#options = options
  }

  /** A life of 60 s and an overlap of 30: whatever is held up for seconds ends no token by itself. */
  static async create(options: FleetOptions): Promise<Fleet> {
    const sim = await startSimulator({
      accounts: [{ appId: APP_ID, appSecret: APP_SECRET }],
      expiresIn: 60,
      overlap: 30,
      ...options.simulator,
    })
    return new Fleet(sim, options)
  }

  /** Starts another process, and does not wait for it. */
  start(more: Partial<NodePlan['options']> = {}): FleetNode {
    const { endpoint, store, options, useEvery = 200 } = this.#options
    const plan: NodePlan = {
      options: {
        ...this.sim.options(APP_ID),
        endpoint,
        store,
        timeout: 8_000,
        refreshAhead: 15_000,
        retry: { minDelay: 20, maxDelay: 500 },
        ...options,
        ...more,
      },
      api: `${this.sim.url}/cgi-bin/getcallbackip`,
      useEvery,
    }
    this.#started += 1
    const node = new FleetNode(`process ${this.#started}`, plan, () => this.#look())
    this.nodes.push(node)
    return node
  }

  /** The token that the API takes and gives to whoever asks. */
  get live(): string | undefined {
    return this.sim.current(APP_ID)[this.#options.endpoint]?.accessToken
  }

  /** What all that were ever started say, also those that have ended. */
  get all(): readonly FleetNode[] {
    return [...this.nodes, ...this.#ended]
  }

  /** Tokens that an API refused to a process, but for those that the test made void itself. */
  refusedBut(revoked: readonly (string | undefined)[]): readonly string[] {
    const refused = new Set(this.all.flatMap((node) => node.refused))
    return [...refused].filter((token) => !revoked.includes(token))
  }

  /** One of them by chance. */
  anyOf(nodes: readonly FleetNode[] = this.nodes): FleetNode {
    const node = nodes[Math.floor(Math.random() * nodes.length)]
    if (!node) throw new Error('there is no process')
    return node
  }

  /** The simulator's control interface, as another process uses it. */
  async control(action: 'revoke' | 'rotate' | 'refuse' | 'expires-in', input: object): Promise<void> {
    const { status } = await fetch(`${this.sim.url}/_control/${action}`, {
      method: 'POST',
      body: JSON.stringify(input),
    })
    if (status !== 200) throw new Error(`${action} was answered with ${status}`)
  }

  /** Waits for what processes say. */
  until(holds: () => boolean, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = setTimeout(() => {
        this.#waiting.delete(look)
        const held = this.nodes.map(
          (node) => `${node.token?.slice(0, 6) ?? 'none'}${node.isStopped ? ' stopped' : ''}`,
        )
        const said = this.nodes.map(({ trouble }) => trouble).join('\n')
        reject(
          new Error(
            `not within ${PATIENCE} ms: ${what}; live ${this.live?.slice(0, 6)}; ${held.join(', ')}\n${said}`,
          ),
        )
      }, PATIENCE)
      const look = (): void => {
        if (!holds()) return
        clearTimeout(end)
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
      look()
    })
  }

  /** Until all these processes, of all that are not stopped, have the token that the API takes. */
  converged(among: () => readonly FleetNode[] = () => this.nodes): Promise<void> {
    return this.until(() => {
      const { live } = this
      return live !== undefined && among().every((node) => node.isStopped || node.token === live)
    }, 'all have the live token')
  }

  /** One process less, whatever it is doing. */
  async kill(node: FleetNode): Promise<void> {
    this.#leave(node)
    await node.kill()
  }

  /** All end in order. */
  async closeAll(): Promise<void> {
    const nodes = [...this.nodes]
    for (const node of nodes) this.#leave(node)
    await Promise.all(nodes.map((node) => node.close()))
  }

  async remove(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()))
    await this.sim.close()
  }

  #leave(node: FleetNode): void {
    this.nodes.splice(this.nodes.indexOf(node), 1)
    this.#ended.push(node)
  }

  #look(): void {
    for (const look of [...this.#waiting]) look()
  }
}
