import { kindOf, optionError } from './errors.js'
import type { Logger } from './logger.js'

/** Checks that name the option and the mend. */

export type Fields = Readonly<Record<string, unknown>>

/** The fields of an options object, none unknown. `path` is where it stands, as `accounts[0].`. */
export function fieldsOf(options: unknown, path: string, known: readonly string[]): Fields {
  const where = path === '' ? 'the options' : path.slice(0, -1)
  if (!isFields(options)) throw optionError(`${where} must be an object with ${known.join(', ')}`)
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    const meant = known.find((other) => other.toLowerCase() === name.toLowerCase().replace(/[-_]/g, ''))
    throw optionError(
      `${path}${name} is no option: ${meant === undefined ? `there are ${known.join(', ')}` : `did you mean ${meant}?`}`,
    )
  }
  return options
}

export const check = {
  /** ms; a fraction is fine, less than 1 is not. */
  duration(value: unknown, path: string, fallback: number): number {
    if (value === undefined) return fallback
    if (typeof value !== 'number')
      throw optionError(`${path} must be a number of milliseconds, not ${kindOf(value)}`)
    if (!(value >= 1 && Number.isFinite(value)))
      throw optionError(`${path} is ${value}: it must be at least 1 millisecond, and finite`)
    return value
  },

  oneOf<T extends string>(value: unknown, path: string, allowed: readonly T[], fallback: T): T {
    if (value === undefined) return fallback
    const found = allowed.find((candidate) => candidate === value)
    if (found === undefined)
      throw optionError(`${path} must be one of ${allowed.map((one) => `'${one}'`).join(', ')}`)
    return found
  },

  flag(value: unknown, path: string, fallback: boolean): boolean {
    if (value === undefined || typeof value === 'boolean') return value ?? fallback
    throw optionError(`${path} must be true or false, not ${kindOf(value)}`)
  },

  text(value: unknown, path: string): string | undefined {
    if (value === undefined) return undefined
    if (typeof value !== 'string' || value === '') throw optionError(`${path} must be a non-empty string`)
    return value
  },

  url(value: unknown, path: string, protocols: readonly string[], show: 'show' | 'hide' = 'show'): URL {
    const text = value instanceof URL ? value.href : value
    // What has an @ may hold a password.
    const said = show === 'show' && typeof text === 'string' && !text.includes('@') ? ` '${text}'` : ''
    const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined
    if (!url || !protocols.includes(url.protocol)) {
      throw optionError(
        `${path}${said} must be a whole URL that begins with ${protocols.map((p) => `${p}//`).join(' or ')}`,
      )
    }
    return url
  },

  signal(value: unknown, path: string): AbortSignal | undefined {
    if (value === undefined || value instanceof AbortSignal) return value
    throw optionError(`${path} must be an AbortSignal, as of an AbortController`)
  },

  logger(value: unknown, path: string): Logger | false | undefined {
    if (value === undefined || value === false || isLogger(value)) return value
    throw optionError(`${path} must be false or have the functions info, warn and error(fields, message)`)
  },
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isLogger(value: unknown): value is Logger {
  if (!isFields(value)) return false
  return ['info', 'warn', 'error'].every((level) => typeof value[level] === 'function')
}
