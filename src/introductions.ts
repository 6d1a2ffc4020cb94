import { isMainThread, MessageChannel, type MessagePort } from 'node:worker_threads'
import { closedError, optionError, TokenThreadError } from './errors.js'
import { type Ask, isAsk, PROTOCOL_VERSION, type ToReader } from './protocol.js'

/** A TokenThread, as readers in other threads find it. */
export interface Host {
  /** Unlike any other's of this process. */
  readonly key: string
  readonly ids: readonly string[]
  /** Hands the reader's port to the refresher: from then on this thread has no part in what they say. */
  introduce(account: string, port: MessagePort): void
}

/** The TokenThreads of this thread: they belong to the process, and readers in other threads look for them here. */
const hosts = new Set<Host>()

/** Only the main thread can be found without a port: it is the one that every thread knows and must trust. */
const onAsk = (message: unknown): void => {
  if (isAsk(message)) answer(message, hosts)
}

/** Readers find the host from now on; how it leaves again. */
export function receiveReaders(host: Host): () => void {
  if (hosts.size === 0 && isMainThread) process.on('workerMessage', onAsk)
  hosts.add(host)
  return () => {
    hosts.delete(host)
    if (hosts.size === 0) process.off('workerMessage', onAsk)
  }
}

/** A reader of this thread itself. */
export function askHere(ask: Ask): void {
  answer(ask, hosts)
}

/** A port that leads to one host, to be handed over; how it is closed from this side. */
export function portTo(
  host: Host,
  account: string | undefined,
  onClosed: () => void,
): { readonly port: MessagePort; readonly close: () => void } {
  const { port1, port2 } = new MessageChannel()
  port1.on('message', (message: unknown) => {
    if (isAsk(message)) answer({ ...message, account: message.account ?? account }, [host])
  })
  port1.on('close', onClosed)
  port1.unref()
  return { port: port2, close: () => port1.close() }
}

function answer(ask: Ask, among: Iterable<Host>): void {
  const { account, thread, port } = ask
  const say = (message: ToReader): void => port.postMessage(message)
  const refuse = (error: TokenThreadError): void => {
    const { code, message, retryable } = error
    say({ type: 'refused', failure: { code, message, retryable } })
    port.close()
  }
  if (ask.protocol !== PROTOCOL_VERSION) return refuse(otherVersion())
  const known = [...among].filter(({ key }) => thread === undefined || key === thread)
  if (thread !== undefined && known.length === 0) return refuse(closedError())
  const all = known.flatMap((host) => host.ids.map((id) => ({ host, id })))
  const found = account === undefined ? all : all.filter(({ id }) => id === account)
  const [only] = found
  if (!only) {
    say({ type: 'absent', ids: all.map(({ id }) => id) })
    return port.close()
  }
  if (found.length > 1) return refuse(ambiguous(found.map(({ id }) => id)))
  say({ type: 'introduced', thread: only.host.key })
  only.host.introduce(only.id, port)
}

function ambiguous(ids: readonly string[]): TokenThreadError {
  const different = new Set(ids)
  return different.size < ids.length
    ? optionError(
        `several TokenThreads hold account ${[...different].find((id) => ids.indexOf(id) !== ids.lastIndexOf(id)) ?? ''}: ` +
          'hand a port of the right one over, as in subscribeTokens({ port }) with the port of tokens.port()',
      )
    : optionError(
        `there are several accounts, so say which: subscribeTokens({ account }); the ids are ${ids.join(', ')}`,
      )
}

function otherVersion(): TokenThreadError {
  const message =
    'the TokenThread and this thread use different versions of token-thread: install one, and bundle both anew'
  return new TokenThreadError({ code: 'ERR_PROTOCOL', message, retryable: false })
}
