import type { Logger } from '../../src/logger.js'

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error'
  readonly fields: object
  readonly message: string
}

export interface KeepingLogger extends Logger {
  readonly lines: LogLine[]
  /** Resolves when there are so many lines. */
  readonly has: (lines: number) => Promise<void>
}

/** A logger that keeps what it is told. */
export function keepingLogger(): KeepingLogger {
  const lines: LogLine[] = []
  let waiting: { readonly lines: number; readonly resolve: () => void }[] = []
  const at = (level: LogLine['level']) => (fields: object, message: string) => {
    lines.push({ level, fields, message })
    for (const { lines: wanted, resolve } of waiting) if (lines.length >= wanted) resolve()
    waiting = waiting.filter(({ lines: wanted }) => lines.length < wanted)
  }
  const has = (wanted: number): Promise<void> =>
    lines.length >= wanted
      ? Promise.resolve()
      : new Promise((resolve) => waiting.push({ lines: wanted, resolve }))
  return { lines, has, info: at('info'), warn: at('warn'), error: at('error') }
}
