import { Alarm } from '../src/alarm.js'
import type { Clock } from '../src/clock.js'
import { assertNever } from '../src/errors.js'
import {
  type FromRefresher,
  PROTOCOL_VERSION,
  type RequestSide,
  type ThreadStart,
  type ToRefresher,
} from '../src/protocol.js'
import { AddressBook } from './addresses.js'
import { freshState } from './account-state.js'
import { httpIssuer, type Issuer } from './issuer.js'
import { Desk } from './desk.js'
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

/** The refresher: one loop per account, one alarm for all, and a desk for each account's readers. */
export async function runRefresher(
  start: ThreadStart,
  { clock, random, issuerOf }: RefresherParts,
): Promise<void> {
  const { incarnation, port } = start
  const post = (message: Unnumbered<FromRefresher>): void => port.postMessage({ ...message, incarnation })

  post({ type: 'hello', protocol: PROTOCOL_VERSION })
  if (start.protocol !== PROTOCOL_VERSION) return port.close()

  const alarm = new Alarm(clock)
  const addresses = new AddressBook(start.addresses, (known) => post({ type: 'addresses', addresses: known }))
  const desks = new Map<string, Desk>()
  const running: Promise<void>[] = []
  const requestSides: Record<string, RequestSide> = {}
  for (const { config, state } of start.accounts) {
    const { id } = config
    const issuer = issuerOf?.(config, addresses) ?? httpIssuer(config, addresses, clock)
    const loop = new RefreshLoop({
      account: config,
      known: state,
      issuer,
      store: memoryStore(storedIn(state ?? freshState(clock)), clock),
      clock,
      alarm,
      random,
      journal: new Journal(id, clock, (record) => post({ type: 'log', record })),
      publish: (published, news) => {
        // The supervisor last: whatever its thread hands to another after hearing of a token, it is there already.
        desk.tell({ type: 'state', state: published, news })
        post({ type: 'state', account: id, state: published, news })
      },
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
  for (const desk of desks.values()) desk.dismiss()
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
