import type { Dispatcher } from 'undici'
import type { RequestSide } from '../protocol.js'
import type { InterceptorSettings } from './options.js'
import { headerPlace, queryPlace, type TokenPlace } from './places.js'

/** A provider's request side and the options, made ready for many requests. */
export interface RequestPlan {
  readonly place: TokenPlace
  /** HTTP statuses that are a refusal by themselves. */
  readonly statuses: ReadonlySet<number>
  /** The field of a JSON answer that holds the code, and the codes that are a refusal, as text. */
  readonly field: Buffer
  readonly codes: ReadonlySet<string>
  /** Whether a request to this origin and path takes the token. */
  isForUs(opts: Dispatcher.DispatchOptions): boolean
}

export function requestPlan(side: RequestSide, { scheme, origins }: InterceptorSettings): RequestPlan {
  const place = placeOf(side.place, scheme)
  const allowed = origins ?? new Set(side.origins.map(originOf))
  return {
    place,
    statuses: new Set(place.in === 'header' ? [...side.refused.statuses, 401] : side.refused.statuses),
    field: Buffer.from(side.refused.field),
    codes: new Set(side.refused.codes.map(String)),
    isForUs({ origin, path }) {
      if (!(typeof origin === 'string' && allowed.has(origin)) && !allowed.has(originOf(origin))) return false
      // An absolute path is a proxy's: where it leads, the origin doesn't say.
      if (!path.startsWith('/')) return false
      return !side.except.some((prefix) => isBelow(path, prefix))
    },
  }
}

/** The origin as URLs write it; an empty string, which is nobody's, for what is none. */
export function originOf(origin: string | URL | undefined): string {
  if (origin === undefined) return ''
  if (origin instanceof URL) return origin.origin
  return URL.canParse(origin) ? new URL(origin).origin : ''
}

function placeOf(place: RequestSide['place'], scheme: InterceptorSettings['scheme']): TokenPlace {
  if (scheme === 'query') return queryPlace(place.in === 'query' ? place.name : 'access_token')
  if (scheme === 'bearer') return headerPlace('authorization', 'Bearer ')
  if (scheme) return headerPlace(scheme.header, '')
  return place.in === 'query' ? queryPlace(place.name) : headerPlace(place.name, place.prefix ?? '')
}

/** Whether the path is this one, or below one that ends in `/`. */
function isBelow(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false
  const next = path[prefix.length]
  return prefix.endsWith('/') || next === undefined || next === '?' || next === '#'
}
