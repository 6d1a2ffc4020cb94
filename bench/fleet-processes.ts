import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type FleetProcess,
  type FromFleetProcess,
  isFromFleetProcess,
  type ToFleetProcess,
  type Way,
} from './fleet-sheet.js'

const PROCESSES = 8
/** ms; for what a loaded machine may take: 64 threads start. */
const PATIENCE = 300_000

/** What was told to all, and when its publishing began. */
export interface Told {
  /** ms, as of `process.hrtime` */
  readonly at: number
  readonly what: string
}

/** A fleet's processes, as the bench has them: so many nodes in at most eight. */
export class Fleet {
  readonly #processes: readonly ChildProcess[]
  readonly #nodes: number
  readonly #perProcess: number
  readonly #seen = new Map<string, number[]>()
  readonly #waiting = new Set<() => void>()
  #error: Error | undefined

  constructor(options: Omit<FleetProcess, 'nodes'>, nodes: number) {
    this.#nodes = nodes
    this.#perProcess = Math.ceil(nodes / PROCESSES)
    this.#processes = Array.from({ length: nodes / this.#perProcess }, () => {
      const argument: FleetProcess = { ...options, nodes: this.#perProcess }
      const child = fork(new URL('./fleet-process.js', import.meta.url), [JSON.stringify(argument)])
      child.on('message', (message: unknown) => this.#hear(message))
      child.on('exit', () => this.#fail(new Error('a process of the fleet has ended')))
      return child
    })
  }

  async ready(): Promise<void> {
    await Promise.all(this.#processes.map((child) => this.#next(child, 'ready')))
  }

  /** Rotates the token on the nodes in turn. */
  async rotate(turn: number, way: Way): Promise<Told> {
    const node = (turn * 7) % this.#nodes
    const child = this.#processes[Math.floor(node / this.#perProcess)]
    if (!child) throw new Error(`there is no node ${node}`)
    return this.#ask(child, { type: 'rotate', node: node % this.#perProcess, way }, 'rotated')
  }

  async operations(): Promise<number> {
    const all = await Promise.all(
      this.#processes.map((child) => this.#ask(child, { type: 'count' }, 'counted')),
    )
    const failures = all.reduce((sum, one) => sum + one.failures, 0)
    if (failures > 0) throw new Error(`${failures} refreshes failed`)
    return all.reduce((sum, one) => sum + one.operations, 0)
  }

  /** ms from what was told to each of the listeners' hearing it. */
  async ages({ at, what }: Told): Promise<readonly number[]> {
    const seen = (): readonly number[] => this.#seen.get(what) ?? []
    await this.#until(() => seen().length >= this.#nodes, 'not all nodes saw the new token')
    return seen().map((one) => one - at)
  }

  async close(): Promise<void> {
    const exits = this.#processes.map(
      (child) =>
        new Promise<void>((resolve) =>
          child.exitCode === null ? child.once('exit', () => resolve()) : resolve(),
        ),
    )
    for (const child of this.#processes) if (child.connected) child.disconnect()
    await Promise.all(exits)
  }

  #hear(message: unknown): void {
    if (!isFromFleetProcess(message)) return
    if (message.type === 'failed') this.#fail(new Error(message.why))
    if (message.type !== 'seen') return
    this.#seen.set(message.what, [...(this.#seen.get(message.what) ?? []), message.at])
    for (const wake of this.#waiting) wake()
  }

  #fail(error: Error): void {
    this.#error ??= error
    for (const wake of this.#waiting) wake()
  }

  async #ask<T extends FromFleetProcess['type']>(
    child: ChildProcess,
    message: ToFleetProcess,
    type: T,
  ): Promise<Extract<FromFleetProcess, { type: T }>> {
    const answer = this.#next(child, type)
    child.send(message)
    return answer
  }

  async #next<T extends FromFleetProcess['type']>(
    child: ChildProcess,
    type: T,
  ): Promise<Extract<FromFleetProcess, { type: T }>> {
    const isIt = (message: FromFleetProcess): message is Extract<FromFleetProcess, { type: T }> =>
      message.type === type
    const found: Extract<FromFleetProcess, { type: T }>[] = []
    const listener = (message: unknown): void => {
      if (!isFromFleetProcess(message) || !isIt(message)) return
      found.push(message)
      for (const wake of this.#waiting) wake()
    }
    child.on('message', listener)
    try {
      await this.#until(() => found.length > 0, `a process did not say ${type}`)
    } finally {
      child.off('message', listener)
    }
    const [first] = found
    if (!first) throw new Error(`a process did not say ${type}`)
    return first
  }

  async #until(holds: () => boolean, otherwise: string): Promise<void> {
    const limit = Date.now() + PATIENCE
    while (!holds()) {
      if (this.#error) throw this.#error
      if (Date.now() > limit) throw new Error(`${otherwise} within ${PATIENCE} ms`)
      const ending = new AbortController()
      const woken = new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake)
          resolve()
        }
        this.#waiting.add(wake)
        void sleep(1_000, undefined, { signal: ending.signal }).then(wake, () => undefined)
      })
      await woken
      ending.abort()
    }
  }
}
