import type { Connection } from './connection.js'

/**
 * Looks on each connection that has answered whether the server may evict records when its memory is full, and says so
 * once. Where the user may not look, nothing is said. Not before the first answer: a refusal of this would be taken for
 * one of what is asked.
 */
export function evictionWarning(
  closing: AbortSignal,
  warn: (message: string) => void,
): (connection: Connection) => void {
  let isWarned = false
  const looked = new WeakSet<Connection>()
  return (connection) => {
    if (isWarned || looked.has(connection)) return
    looked.add(connection)
    connection.send(['INFO', 'memory'], closing).then(
      (reply) => {
        const policy = policyIn(reply)
        if (isWarned || policy === undefined || policy === 'noeviction') return
        isWarned = true
        warn(
          `maxmemory-policy of Redis is ${policy}: when its memory is full it may drop tokens and the day’s count. Set it to noeviction`,
        )
      },
      // The next operation says what is wrong with the connection.
      () => undefined,
    )
  }
}

function policyIn(reply: unknown): string | undefined {
  return typeof reply === 'string' ? /^maxmemory_policy:(\S+)/m.exec(reply)?.[1] : undefined
}
