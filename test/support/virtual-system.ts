import { MessageChannel } from 'node:worker_threads'
import type { AccountConfig, ThreadStart } from '../../src/protocol.js'
import type { Runtime } from '../../src/runtime.js'
import type { ThreadEnd } from '../../src/thread.js'
import { type RefresherParts, runRefresher } from '../../workers/run.js'
import type { Clock } from '../../src/clock.js'
import type { Issuer } from '../../workers/issuer.js'
import { ScriptedIssuer, STABLE } from './scripted-issuer.js'
import { settle, VirtualClock } from './virtual-clock.js'
import type { VirtualStore } from './virtual-store.js'

/** The whole system in one thread, on a virtual clock: real ports, real loops, no network. */
export class VirtualSystem {
  readonly clock: VirtualClock
  readonly issuers = new Map<string, ScriptedIssuer>()
  readonly starts: ThreadStart[] = []
  readonly #issuerOf: (account: AccountConfig) => ScriptedIssuer
  readonly #open: Pick<RefresherParts, 'open'> | undefined
  #kill: ((end: ThreadEnd) => void) | undefined
  #mute: (() => void) | undefined
  /** How often a thread was ended by the supervisor. */
  terminated = 0
  /** How often a thread was started that is none of ours. */
  spawned = 0
  random = 0.5

  /** `shared`: what it has in common with other nodes of a fleet. */
  constructor(
    issuerOf?: (account: AccountConfig, clock: Clock) => ScriptedIssuer,
    shared: { readonly clock?: VirtualClock; readonly store?: VirtualStore } = {},
  ) {
    this.clock = shared.clock ?? new VirtualClock()
    const { store } = shared
    this.#open = store && { open: store.open }
    this.runtime = this.#runtime()
    this.#issuerOf = (account) => issuerOf?.(account, this.clock) ?? new ScriptedIssuer(STABLE, this.clock)
  }

  get issuer(): ScriptedIssuer {
    const [first] = this.issuers.values()
    if (!first) throw new Error('no issuer was asked yet')
    return first
  }

  readonly runtime: { -readonly [K in keyof Runtime]: Runtime[K] }

  #runtime(): Runtime {
    return {
      clock: this.clock,
      random: () => this.random,
      heartbeat: 5_000,
      spawn: (start, _workerUrl, onExit) => {
        const { port1, port2 } = new MessageChannel()
        const life = new AbortController()
        let ended = false
        const end = (how: ThreadEnd): void => {
          if (ended) return
          ended = true
          life.abort()
          port2.close()
          // As with a Worker: what it posted before arrives before its exit.
          void settle().then(() => onExit(how))
        }
        this.#kill = end
        this.#mute = () => {
          life.abort()
          port2.removeAllListeners('message')
        }
        const threadStart = { ...start, port: port2 }
        this.starts.push(threadStart)
        port2.on('close', () => end({ exitCode: 0, error: undefined }))
        void runRefresher(threadStart, {
          clock: mortalClock(this.clock, life.signal),
          random: () => this.random,
          ...this.#open,
          issuerOf: (account) => mortalIssuer(this.#issuerFor(account), life.signal),
        })
        return {
          port: port1,
          terminate: () => {
            this.terminated += 1
            end({ exitCode: 1, error: undefined })
          },
        }
      },
    }
  }

  /** The thread dies. */
  async kill(error?: Error): Promise<void> {
    this.#kill?.({ exitCode: 1, error })
    await settle()
    await settle()
  }

  /** The thread hangs: it hears nothing, does nothing, and lives. */
  stopAnswering(): void {
    this.#mute?.()
  }

  #issuerFor(account: AccountConfig): ScriptedIssuer {
    const known = this.issuers.get(account.id) ?? this.#issuerOf(account)
    this.issuers.set(account.id, known)
    return known
  }
}

/** The timers of a dead or hung thread do not fire. */
function mortalClock(clock: Clock, life: AbortSignal): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    hold: () => clock.hold(),
    timer: (ms, callback) => clock.timer(ms, () => life.aborted || callback()),
  }
}

/** A dead thread hears no answer. */
function mortalIssuer(issuer: ScriptedIssuer, life: AbortSignal): Issuer {
  return {
    limits: issuer.limits,
    requestSide: issuer.requestSide,
    retires: issuer.retires,
    fetch: async (call, signal) => {
      const answer = await issuer.fetch(call, AbortSignal.any([signal, life]))
      return life.aborted ? new Promise(() => undefined) : answer
    },
  }
}
