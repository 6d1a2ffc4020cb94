import type { Subject } from '../subject.js'
import { startOauthServer } from '../token-server.js'

/** A token that never changes: what the others wait more than this one is theirs, the rest is the machine's. */
export const constant: Subject = {
  name: 'a constant',
  serve: (_lives, tokenCall) => startOauthServer({ expiresIn: 7200, tokenCall }),
  start: () => ({
    first: () => Promise.resolve('token'),
    read: () => 'token',
    request: () => Promise.resolve(true),
    close: () => undefined,
  }),
}
