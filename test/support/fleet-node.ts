import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  isFromNode,
  type FromNode,
  type NodePlan,
  type Reply,
  type ToNode,
} from '../fixtures/fleet-messages.js'
import { fleetProgram } from './fleet-program.js'

type Unnumbered<M> = M extends unknown ? Omit<M, 'id'> : never

/** None outlives the test's process. */
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** A process of a fleet, as its test sees it. */
export class FleetNode {
  readonly name: string
  /** What its `token` events brought, in order. */
  readonly tokens: { readonly accessToken: string; readonly generation: number }[] = []
  /** Of its own API calls. */
  readonly refused: string[] = []
  readonly unreadable: string[] = []
  readonly log: string[] = []
  isStopped = false
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>
  readonly #onChange: () => void
  readonly #replies = new Map<number, (reply: Reply) => void>()
  #lastId = 0
  #stderr = ''

  constructor(name: string, plan: NodePlan, onChange: () => void) {
    const { process: program, worker } = fleetProgram()
    const whole = { ...plan, options: { ...plan.options, workerUrl: worker } }
    this.name = name
    this.#onChange = onChange
    const child = fork(program, [JSON.stringify(whole)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: [],
    })
    this.#child = child
    running.add(child)
    this.#exited = once(child, 'exit')
    child.once('exit', () => {
      running.delete(child)
      for (const reply of this.#replies.values()) reply({ error: 'the process ended' })
      onChange()
    })
    child.on('message', (message: unknown) => {
      if (isFromNode(message)) this.#heard(message)
    })
    // What is told to one that was killed gets lost.
    child.on('error', () => undefined)
    child.stderr?.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()))
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** What it read last, as far as it has said. */
  get token(): string | undefined {
    return this.tokens.at(-1)?.accessToken
  }

  /** Of a process that ended by itself: why. */
  get trouble(): string {
    return `${this.name}: ${this.#stderr} ${this.log.slice(-3).join('; ')}`
  }

  ask(what: Unnumbered<ToNode>): Promise<Reply> {
    const id = ++this.#lastId
    return new Promise((resolve) => {
      this.#replies.set(id, resolve)
      if (!this.#child.connected) return resolve({ error: 'the process ended' })
      this.#child.send({ ...what, id } satisfies ToNode, () => undefined)
    })
  }

  /** SIGSTOP; resolves when all of its threads stand still. */
  async stop(): Promise<void> {
    this.isStopped = true
    this.#child.kill('SIGSTOP')
    for (let tries = 0; tries < 6_000; tries++) {
      if (!this.isAlive || threadStates(this.#child.pid ?? 0).every((state) => state === 'T')) return
      await sleep(5)
    }
    throw new Error(`${this.name} did not stop`)
  }

  wake(): void {
    this.isStopped = false
    this.#child.kill('SIGCONT')
  }

  async kill(): Promise<void> {
    if (this.isAlive) this.#child.kill('SIGKILL')
    await this.#exited
  }

  async close(): Promise<void> {
    if (this.isAlive) {
      await this.ask({ do: 'close' })
      await this.#exited
    }
  }

  #heard(message: FromNode): void {
    switch (message.type) {
      case 'token':
        this.tokens.push(message)
        break
      case 'refused':
        this.refused.push(message.accessToken)
        break
      case 'unreadable':
        this.unreadable.push(message.why)
        break
      case 'log':
        this.log.push(message.message)
        break
      case 'reply':
        this.#replies.get(message.id)?.(message.reply)
        this.#replies.delete(message.id)
    }
    this.#onChange()
  }
}

function threadStates(pid: number): (string | undefined)[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
    try {
      // pid (name) state; the name may hold anything.
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8')
      return [stat.slice(stat.lastIndexOf(')') + 2)[0]]
    } catch {
      return []
    }
  })
}
