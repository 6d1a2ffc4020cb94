import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import type { Address, Addresses } from '../src/protocol.js'

/**
 * The last known addresses of each host. `dns.lookup` runs on libuv's pool, which the application may have saturated
 * (seen: 2 to 5 s), so a known address is used at once and the lookup renews it beside the call.
 */
export class AddressBook {
  readonly #known: Map<string, readonly Address[]>
  readonly #renewals = new Map<string, Promise<readonly Address[]>>()
  readonly #learned: (addresses: Addresses) => void

  constructor(known: Addresses, learned: (addresses: Addresses) => void) {
    this.#known = new Map(Object.entries(known))
    this.#learned = learned
  }

  /** The addresses that a connection made now would try, where there are any yet. */
  known(host: string): readonly Address[] | undefined {
    return this.#known.get(host)
  }

  /** Looks a host up anew, or waits for the lookup under way; true where that brought others than these. */
  async hasOthers(host: string, than: readonly Address[]): Promise<boolean> {
    return keyOf(await this.#resolve(host)) !== keyOf(than)
  }

  /** For `net.connect`: known addresses at once, otherwise those that a lookup brings. */
  readonly lookup: LookupFunction = (host, options, callback) => {
    const answer = (addresses: readonly Address[]): void => {
      if (options.all) return callback(null, [...addresses])
      const [first] = addresses
      callback(null, first?.address ?? '', first?.family)
    }
    const known = this.#known.get(host)
    const renewed = this.#resolve(host)
    if (known) {
      // A lookup that fails leaves the known addresses in use: if none of them connects, `renew` tells.
      renewed.catch((error: unknown) => error)
      answer(known)
    } else {
      renewed.then(answer, (error: unknown) =>
        callback(error instanceof Error ? error : new Error(String(error)), ''),
      )
    }
  }

  /** One lookup a host at a time: on a saturated pool they would pile up. */
  #resolve(host: string): Promise<readonly Address[]> {
    const running = this.#renewals.get(host)
    if (running) return running
    const renewal = new Promise<readonly LookupAddress[]>((resolve, reject) => {
      lookup(host, { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses)))
    })
      .then((addresses) => {
        const changed = keyOf(addresses) !== keyOf(this.#known.get(host) ?? [])
        this.#known.set(host, addresses)
        if (changed) this.#learned(Object.fromEntries(this.#known))
        return addresses
      })
      .finally(() => this.#renewals.delete(host))
    this.#renewals.set(host, renewal)
    return renewal
  }
}

function keyOf(addresses: readonly Address[]): string {
  return addresses
    .map(({ address }) => address)
    .sort()
    .join()
}
