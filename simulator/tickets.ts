import type { Lives } from './lives.js'
import { randomTicket } from './random.js'

interface Ticket {
  readonly ticket: string
  readonly expiresIn: number
  readonly renewFrom: number
}

/**
 * The tickets of one account, one for each type. Asked again early, WeChat may give the same ticket with its
 * whole `expires_in` all the same: so does this, to find out who counts from the wrong answer.
 */
export class Tickets {
  readonly #tickets = new Map<string, Ticket>()

  get(type: string, now: number, { life, renewalWindow }: Lives): Ticket {
    const cached = this.#tickets.get(type)
    if (cached && now < cached.renewFrom) return cached
    const ticket = { ticket: randomTicket(), expiresIn: life / 1000, renewFrom: now + life - renewalWindow }
    this.#tickets.set(type, ticket)
    return ticket
  }
}
