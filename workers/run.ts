import type { MessagePort } from 'node:worker_threads'
import { Alarm } from '../src/alarm.js'
import type { Clock } from '../src/clock.js'
import { assertNever } from '../src/errors.js'
import { type FromRefresher, PROTOCOL_VERSION, type ThreadStart, type ToRefresher } from '../src/protocol.js'
import { AddressBook } from './addresses.js'
import { freshState } from './account-state.js'
import { httpIssuer, type Issuer } from './issuer.js'
import { Journal } from './journal.js'
import { RefreshLoop } from './refresh-loop.js'
import { memoryStore } from './stores/memory.js'
import type { Stored } from './stores/store.js'

type Unnumbered<M> = M extends unknown ? Omit<M, 'incarnation'> : never

export interface RefresherParts {
  readonly clock: Clock
  readonly random: () => number
  /** Where tokens come from; HTTP unless a test hands in another. */
  readonly issuerOf?: (account: ThreadStart['accounts'][number]['config'], addresses: AddressBook) => Issuer
}

/** The refresher: one loop per account, one alarm for all, and a set of ports that hear of each state. */
export async function runRefresher(
  start: ThreadStart,
  { clock, random, issuerOf }: RefresherParts,
): Promise<void> {
  const { incarnation, port } = start
  // Handler threads will join: all readers hear the same.
  const readers = new Set<MessagePort>([port])
  const post = (message: Unnumbered<FromRefresher>, to: Iterable<MessagePort> = [port]): void => {
    for (const reader of to) reader.postMessage({ ...message, incarnation })
  }

  post({ type: 'hello', protocol: PROTOCOL_VERSION })
  if (start.protocol !== PROTOCOL_VERSION) return port.close()

  const alarm = new Alarm(clock)
  const addresses = new AddressBook(start.addresses, (known) => post({ type: 'addresses', addresses: known }))
  const issuers = new Map<string, Issuer>()
  const loops = new Map<string, RefreshLoop>()
  for (const { config, state } of start.accounts) {
    const issuer = issuerOf?.(config, addresses) ?? httpIssuer(config, addresses, clock)
    issuers.set(config.id, issuer)
    loops.set(
      config.id,
      new RefreshLoop({
        account: config,
        known: state,
        issuer,
        store: memoryStore(storedIn(state ?? freshState(clock)), clock),
        clock,
        alarm,
        random,
        journal: new Journal(config.id, clock, (record) => post({ type: 'log', record })),
        publish: (published, news) =>
          post({ type: 'state', account: config.id, state: published, news }, readers),
        answer: (id, failure) => post({ type: 'answer', account: config.id, id, failure }),
      }),
    )
  }
  post({
    type: 'ready',
    requestSides: Object.fromEntries([...issuers].map(([id, { requestSide }]) => [id, requestSide])),
  })

  port.on('message', (message: ToRefresher) => {
    switch (message.type) {
      case 'reject':
        return loops.get(message.account)?.reject(message.id, message.generation)
      case 'refresh':
        return loops.get(message.account)?.refresh(message)
      case 'cancel':
        return loops.get(message.account)?.cancel(message.id)
      case 'look':
        alarm.check()
        return loops.get(message.account)?.look()
      case 'ping':
        return post({ type: 'pong' })
      case 'close':
        for (const loop of loops.values()) loop.close()
        return
      default:
        return assertNever(message)
    }
  })
  await Promise.all([...loops.values()].map((loop) => loop.run()))
  port.close()
}

function storedIn({
  token,
  expires,
  suspect,
  spent,
}: NonNullable<ThreadStart['accounts'][number]['state']>): Stored {
  return { token: token && expires && { ...token, expires }, suspect, spent }
}
