import type { Dispatcher } from 'undici'
import { hasHeader, withHeader } from './headers.js'

type Options = Dispatcher.DispatchOptions
/** Where a token travels. */
export interface TokenPlace {
  readonly in: 'query' | 'header'
  /** Whether the caller put something there already: a token of their own, as of WeChat's users. */
  hasOwn(opts: Options): boolean
  /** What is sent. A redirect inside of us would follow with the token, wherever that leads: it does not follow at all. */
  put(opts: Options, token: string): Options
}

export function queryPlace(name: string): TokenPlace {
  const encodedName = encodeURIComponent(name)
  // A token serves thousands of requests.
  let last = { token: '', parameter: '' }
  return {
    in: 'query',
    hasOwn({ path, query }) {
      if (query && query[name] !== undefined) return true
      const begin = path.indexOf('?')
      return begin !== -1 && hasParameter(path.slice(begin + 1), name)
    },
    put(opts, token) {
      const { path, query } = opts
      // undici adds `query` to the path itself, and refuses both at once.
      if (query) return staying({ ...opts, query: { ...query, [name]: token } })
      if (last.token !== token) last = { token, parameter: `${encodedName}=${encodeURIComponent(token)}` }
      const hash = path.indexOf('#')
      const bare = hash === -1 ? path : path.slice(0, hash)
      const joint = !bare.includes('?') ? '?' : bare.endsWith('?') || bare.endsWith('&') ? '' : '&'
      return staying({ ...opts, path: `${bare}${joint}${last.parameter}` })
    },
  }
}

function hasParameter(query: string, name: string): boolean {
  // Most queries can't hold it, in any spelling.
  if (!query.includes(name) && !query.includes('%')) return false
  const end = query.indexOf('#')
  return new URLSearchParams(end === -1 ? query : query.slice(0, end)).has(name)
}

export function headerPlace(name: string, prefix: string): TokenPlace {
  return {
    in: 'header',
    hasOwn: ({ headers }) => hasHeader(headers, name),
    put: (opts, token) => staying({ ...opts, headers: withHeader(opts.headers, name, prefix + token) }),
  }
}

function staying(opts: Options & { maxRedirections?: number }): Options {
  opts.maxRedirections = 0
  return opts
}
