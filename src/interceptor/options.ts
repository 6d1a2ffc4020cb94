import { kindOf, optionError } from '../errors.js'
import type { Logger } from '../logger.js'
import { check, fieldsOf } from '../validate.js'

export interface TokenInterceptorOptions {
  /**
   * Where the token travels: in the query, as `Authorization: Bearer`, or in a header of this name. Default: as the account's
   * provider says (WeChat: the query parameter `access_token`).
   */
  scheme?: 'query' | 'bearer' | { readonly header: string } | undefined
  /** Where the token may go: origins as `https://api.weixin.qq.com`. Default: the origins of the account's `baseUrl`. */
  origins?: readonly string[] | undefined
  /** How long a request waits for a live token, ms, at least 1. Default: not at all, it fails with `ERR_TOKEN_UNAVAILABLE`. */
  wait?: number | undefined
  /**
   * How much of a streamed request body is kept so that it can be sent again, bytes. Strings, buffers, Blob and FormData
   * need no keeping, whatever their size. Default: 65_536.
   */
  replayLimit?: number | undefined
  /** Hears of refused requests that could not be sent again. `false`: nobody. Default: pino at `info` on stderr. */
  logger?: Logger | false | undefined
}

export interface InterceptorSettings {
  readonly scheme: 'query' | 'bearer' | { readonly header: string } | undefined
  readonly origins: ReadonlySet<string> | undefined
  readonly wait: number | undefined
  readonly replayLimit: number
  readonly logger: Logger | false | undefined
}

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i
/** What undici takes from no one, or reads itself. */
const NOT_FREE = [
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'upgrade',
  'expect',
]

/** @throws TokenThreadError `ERR_OPTIONS` */
export function readInterceptorOptions(options: unknown): InterceptorSettings {
  const fields = fieldsOf(options, '', ['scheme', 'origins', 'wait', 'replayLimit', 'logger'])
  return {
    scheme: readScheme(fields.scheme),
    origins: readOrigins(fields.origins),
    wait: fields.wait === undefined ? undefined : check.duration(fields.wait, 'wait', 1),
    replayLimit: readLimit(fields.replayLimit),
    logger: check.logger(fields.logger, 'logger'),
  }
}

function readScheme(scheme: unknown): InterceptorSettings['scheme'] {
  if (scheme === undefined || scheme === 'query' || scheme === 'bearer') return scheme
  if (typeof scheme !== 'object') {
    throw optionError("scheme must be 'query', 'bearer' or { header: name }")
  }
  const { header } = fieldsOf(scheme, 'scheme.', ['header'])
  if (typeof header !== 'string' || !HEADER_NAME.test(header) || NOT_FREE.includes(header.toLowerCase())) {
    throw optionError("scheme.header must be the name of a header of the API's own, as 'x-acs-token'")
  }
  return { header }
}

function readOrigins(origins: unknown): ReadonlySet<string> | undefined {
  if (origins === undefined) return undefined
  if (!Array.isArray(origins) || origins.length === 0) {
    throw optionError(`origins must be a list of at least one origin, not ${kindOf(origins)}`)
  }
  return new Set(origins.map((origin: unknown, i) => readOrigin(origin, `origins[${i}]`)))
}

function readOrigin(origin: unknown, path: string): string {
  const url = check.url(origin, path, ['https:', 'http:'])
  if (
    url.pathname !== '/' ||
    url.search !== '' ||
    url.hash !== '' ||
    url.username !== '' ||
    url.password !== ''
  ) {
    throw optionError(`${path} must be an origin alone, as ${url.origin}`)
  }
  return url.origin
}

function readLimit(limit: unknown): number {
  if (limit === undefined) return 65_536
  if (typeof limit !== 'number')
    throw optionError(`replayLimit must be a number of bytes, not ${kindOf(limit)}`)
  if (!Number.isSafeInteger(limit) || limit < 0) {
    throw optionError(`replayLimit is ${limit}: it must be a whole number of bytes, 0 or more`)
  }
  return limit
}
