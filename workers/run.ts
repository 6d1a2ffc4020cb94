import { Alarm } from '../src/alarm.js'
import type { Clock } from '../src/clock.js'
import { assertNever } from '../src/errors.js'
import {
  type AccountConfig,
  type FromRefresher,
  PROTOCOL_VERSION,
  type RequestSide,
  type ThreadStart,
  type ToRefresher,
} from '../src/protocol.js'
import type { Store } from '../src/store.js'
import { Account } from './account.js'
import { AddressBook } from './addresses.js'
import { httpIssuer, type Issuer } from './issuer.js'
import { Desk } from './desk.js'
import { Journal } from './journal.js'
import { RefreshLoop } from './refresh-loop.js'
import { type OpenContext, openStore, type SharedStoreConfig } from './stores/open.js'
import { Stores } from './stores/stores.js'

type Unnumbered<M> = M extends unknown ? Omit<M, 'incarnation'> : never

export interface RefresherParts {
  readonly clock: Clock
  readonly random: () => number
  /** Where tokens come from; HTTP unless a test hands in another. */
  readonly issuerOf?: (account: AccountConfig, addresses: AddressBook) => Issuer
  /** Opens a shared store; by its kind unless a test hands in another. */
  readonly open?: (config: SharedStoreConfig, context: OpenContext) => Promise<Store>
}

/** The refresher: one loop per account, one alarm for all, and a desk for each account's readers. */
export async function runRefresher(
  start: ThreadStart,
  { clock, random, issuerOf, open = openStore }: RefresherParts,
): Promise<void> {
  const { incarnation, port } = start
  const post = (message: Unnumbered<FromRefresher>): void => port.postMessage({ ...message, incarnation })

  post({ type: 'hello', protocol: PROTOCOL_VERSION })
  if (start.protocol !== PROTOCOL_VERSION) return port.close()

  const alarm = new Alarm(clock)
  const addresses = new AddressBook(start.addresses, (known) => post({ type: 'addresses', addresses: known }))
  const stores = new Stores(start.store, open, {
    clock,
    lookup: addresses.lookup,
    warn: (message) =>
      post({ type: 'log', record: { level: 'warn', fields: { store: start.store.kind }, message } }),
  })
  const desks = new Map<string, Desk>()
  const running: Promise<void>[] = []
  const requestSides: Record<string, RequestSide> = {}
  for (const { config, state } of start.accounts) {
    const { id } = config
    const issuer = issuerOf?.(config, addresses) ?? httpIssuer(config, addresses, clock)
    const account = new Account({
      config,
      known: state,
      limits: issuer.limits,
      clock,
      random,
      publish: (published, news) => {
        // The supervisor last: whatever its thread hands to another after hearing of a token, it is there already.
        desk.tell({ type: 'state', state: published, news })
        post({ type: 'state', account: id, state: published, news })
      },
    })
    const loop = new RefreshLoop({
      account,
      issuer,
      store: stores.of(config),
      clock,
      alarm,
      random,
      journal: new Journal(id, clock, (record) => post({ type: 'log', record })),
      answer: (demand, failure) => desk.answer(demand, failure),
    })
    const desk = new Desk(config, issuer.requestSide, loop, alarm, (demand, failure) =>
      post({ type: 'answer', account: id, id: demand, failure }),
    )
    desks.set(id, desk)
    requestSides[id] = issuer.requestSide
    running.push(loop.run())
  }
  post({ type: 'ready', requestSides })

  port.on('message', (message: ToRefresher) => {
    switch (message.type) {
      case 'reject':
      case 'refresh':
      case 'cancel':
      case 'look':
        return desks.get(message.account)?.ask(message)
      case 'join':
        return desks.get(message.account)?.join(message.port)
      case 'ping':
        return post({ type: 'pong' })
      case 'close':
        for (const desk of desks.values()) desk.close()
        return
      default:
        return assertNever(message)
    }
  })
  await Promise.all(running)
  await stores.close()
  for (const desk of desks.values()) desk.dismiss()
  port.close()
}
