import { isMainThread, MessageChannel, MessagePort } from 'node:worker_threads'
import { optionError, type TokenThreadError } from './errors.js'
import { type Ask, type FromIntroducer, isAsk, PROTOCOL_VERSION } from './protocol.js'

/** A TokenThread, as readers in other threads find it. */
export interface Host {
  readonly ids: readonly string[]
  /** From now on the reader is given a line to each refresher: this thread has no part in what is said on it. */
  introduce(account: string, reader: MessagePort): void
}

/** The TokenThreads of this thread: they belong to the process, and readers in other threads look for them here. */
const hosts = new Set<Host>()

/** Only the main thread can be found without a port: it is the one that every thread knows and must trust. */
const onWorkerMessage = (message: unknown): void => {
  if (isAsk(message) && 'port' in message && message.port instanceof MessagePort) {
    answer(message, message.port, hosts)
  }
}

/** Readers find the host from now on; how it leaves again. */
export function receiveReaders(host: Host): () => void {
  // The first to hear: another listener may throw, and then nobody after it would.
  if (hosts.size === 0 && isMainThread) process.prependListener('workerMessage', onWorkerMessage)
  hosts.add(host)
  return () => {
    hosts.delete(host)
    if (hosts.size === 0) process.off('workerMessage', onWorkerMessage)
  }
}

/** Whether this thread has TokenThreads of its own: a reader in it is theirs. */
export const hasHosts = (): boolean => hosts.size > 0

/** A reader of this thread itself. */
export function askHere(ask: Ask, reader: MessagePort): void {
  answer(ask, reader, hosts)
}

/** A port that leads to one host, to be handed over; how it is closed from this side. */
export function portTo(
  host: Host,
  account: string | undefined,
  onClosed: () => void,
): { readonly port: MessagePort; readonly close: () => void } {
  const { port1, port2 } = new MessageChannel()
  const onAsk = (message: unknown): void => {
    if (!isAsk(message)) return
    port1.off('message', onAsk)
    answer({ ...message, account: message.account ?? account }, port1, [host])
  }
  port1.on('message', onAsk)
  port1.on('close', onClosed)
  port1.unref()
  return { port: port2, close: () => port1.close() }
}

/**
 * Another copy of the library in this thread may hear the same ask and get the same port, so whoever has nothing to
 * offer leaves it open.
 */
function answer({ protocol, account }: Ask, reader: MessagePort, among: Iterable<Host>): void {
  const say = (message: FromIntroducer): void => reader.postMessage(message)
  const all = [...among].flatMap((host) => host.ids.map((id) => ({ host, id })))
  const found = account === undefined ? all : all.filter(({ id }) => id === account)
  const [only] = found
  if (!only || protocol !== PROTOCOL_VERSION) {
    return say({ type: 'nobody', protocol: PROTOCOL_VERSION, ids: all.map(({ id }) => id) })
  }
  if (found.length > 1) {
    const { code, message, retryable } = ambiguous(found.map(({ id }) => id))
    return say({ type: 'refused', failure: { code, message, retryable } })
  }
  say({ type: 'introduced', id: only.id })
  only.host.introduce(only.id, reader)
}

/** Several hold what was asked for. */
export function ambiguous(ids: readonly string[]): TokenThreadError {
  const twice = ids.find((id, i) => ids.indexOf(id) !== i)
  return twice === undefined
    ? optionError(
        `there are several accounts, so say which: subscribeTokens({ account }); the ids are ${ids.join(', ')}`,
      )
    : optionError(
        `several TokenThreads hold account ${twice}: hand a port of the right one over, as in ` +
          'subscribeTokens({ port }) with the port of tokens.port()',
      )
}
