import type { Connection } from './connection.js'

/**
 * Looks at each new connection whether the server may evict records when its memory is full, and says so once. Where
 * the user may not look, nothing is said.
 */
export function evictionWarning(
  closing: AbortSignal,
  warn: (message: string) => void,
): (connection: Connection) => void {
  let isWarned = false
  return (connection) => {
    if (isWarned) return
    connection.send(['INFO', 'memory'], closing).then(
      (reply) => {
        const policy = policyIn(reply)
        if (isWarned || policy === undefined || policy === 'noeviction') return
        isWarned = true
        warn(
          `maxmemory-policy of Redis is ${policy}: when its memory is full it may drop tokens and the day’s count. Set it to noeviction`,
        )
      },
      // The operation that opened the connection says what is wrong with it.
      () => undefined,
    )
  }
}

function policyIn(reply: unknown): string | undefined {
  return typeof reply === 'string' ? /^maxmemory_policy:(\S+)/m.exec(reply)?.[1] : undefined
}
