import { pino } from 'pino'
import type { LogRecord } from './protocol.js'

/** What is needed of a logger: pino's own shape, and winston's or console's after one line of adapting. */
export interface Logger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export type WriteLog = (record: LogRecord) => void

/** pino at `info` on stderr: stdout belongs to the program. */
export function defaultLogger(): Logger {
  return pino({ name: 'token-thread', level: 'info' }, pino.destination({ dest: 2, sync: true }))
}

export function logTo(logger: Logger | false): WriteLog {
  return ({ level, fields, message }) => {
    if (logger) logger[level](fields, message)
  }
}
