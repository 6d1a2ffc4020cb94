import type { Clock } from '../src/clock.js'
import { messageOf, withoutSecrets } from '../src/errors.js'
import type { AccountConfig, Address, RequestSide } from '../src/protocol.js'
import type { AddressBook } from './addresses.js'
import { Hosts } from './hosts.js'
import { type Exchange, exchange, ExchangeError } from './http.js'
import { transient } from './providers/grant.js'
import type { Answer, HttpAnswer, Provider } from './providers/provider.js'
import { PROVIDERS } from './providers/providers.js'
import type { Limits } from './schedule.js'

/** Who gives one account its tokens, as the loop sees it. */
export interface Issuer {
  readonly limits: Limits
  readonly requestSide: RequestSide
  /** Whether a fetch makes other tokens void. */
  readonly retires: boolean
  /** One token call. It never throws: a failure is an answer. */
  fetch(call: TokenCall, signal: AbortSignal): Promise<Answer>
}

export interface TokenCall {
  readonly forced: boolean
  /** ms, all of it */
  readonly timeout: number
}

export function httpIssuer(account: AccountConfig, addresses: AddressBook, clock: Clock): Issuer {
  const provider: Provider = PROVIDERS[account.endpoint]
  const hosts = new Hosts(account.baseUrls)
  return {
    limits: provider.limits,
    requestSide: requestSideOf(provider, account),
    retires: provider.retires,
    async fetch({ forced, timeout: allowed }, signal) {
      let asked: string | undefined
      try {
        const request = provider.ask(account, forced)
        const answer = await firstConnected(
          hosts.order(),
          allowed,
          clock,
          (baseUrl, connectTimeout, timeout) => {
            asked = baseUrl
            return connected({
              request,
              baseUrl,
              proxy: account.proxy,
              addresses,
              clock,
              connectTimeout,
              timeout,
              signal,
            })
          },
        )
        const read = provider.read(answer, account)
        if (read.granted) hosts.good(asked ?? '')
        else hosts.failed(asked ?? '')
        return read
      } catch (error) {
        if (asked !== undefined && error instanceof ExchangeError && error.sent) hosts.failed(asked)
        return refusalOf(error, account, asked)
      }
    },
  }
}

/** A base URL may have a path of its own, as behind a gateway. */
function requestSideOf({ requestSide }: Provider, { baseUrls }: AccountConfig): RequestSide {
  const bases = baseUrls.map((url) => new URL(url))
  const prefixes = new Set(bases.map(({ pathname }) => pathname.replace(/\/$/, '')))
  return {
    ...requestSide,
    origins: [...new Set(bases.map(({ origin }) => origin))],
    except: [...prefixes].flatMap((prefix) => requestSide.except.map((path) => `${prefix}${path}`)),
  }
}

/** Another host is tried within the same call only when the connection failed: a request that was sent is not repeated. */
async function firstConnected(
  urls: readonly string[],
  timeout: number,
  clock: Clock,
  call: (baseUrl: string, connectTimeout: number, timeout: number) => Promise<HttpAnswer>,
): Promise<HttpAnswer> {
  const began = clock.monotonic()
  let last: unknown
  for (const url of urls) {
    const left = timeout - (clock.monotonic() - began)
    if (left <= 0) break
    try {
      return await call(url, Math.min(left, timeout / urls.length), left)
    } catch (error) {
      if (!(error instanceof ExchangeError) || error.reason !== 'connection') throw error
      last = error
    }
  }
  throw last
}

/** Where no known address connects, a lookup may bring another: it is awaited then, within the same share. */
async function connected(x: Exchange): Promise<HttpAnswer> {
  const began = x.clock.monotonic()
  const host = new URL(x.proxy ?? x.baseUrl).hostname
  const tried = x.addresses.known(host)
  try {
    return await exchange(x)
  } catch (error) {
    const left = x.connectTimeout - (x.clock.monotonic() - began)
    if (!tried || left <= 0 || !(error instanceof ExchangeError) || error.reason !== 'connection') throw error
    if (!(await othersWithin(left, host, tried, x))) throw error
    const used = x.clock.monotonic() - began
    return await exchange({ ...x, connectTimeout: x.connectTimeout - used, timeout: x.timeout - used })
  }
}

function othersWithin(
  ms: number,
  host: string,
  tried: readonly Address[],
  { addresses, clock }: Exchange,
): Promise<boolean> {
  return new Promise((resolve) => {
    const cancel = clock.timer(ms, () => resolve(false))
    void addresses
      .hasOthers(host, tried)
      .then(
        (others) => resolve(others),
        () => resolve(false),
      )
      .finally(cancel)
  })
}

const CODES = {
  connection: 'ERR_CONNECTION',
  timeout: 'ERR_TIMEOUT',
  answer: 'ERR_BAD_ANSWER',
  aborted: 'ERR_CLOSED',
} as const

function refusalOf(error: unknown, { appSecret, proxy }: AccountConfig, asked: string | undefined): Answer {
  const what = `the token call${asked === undefined ? '' : ` to ${new URL(asked).host}`} failed`
  const said = withoutSecrets(messageOf(error), [appSecret, ...secretsOf(proxy)])
  return error instanceof ExchangeError
    ? { ...transient(CODES[error.reason], `${what}: ${said}`), sent: error.sent }
    : transient('ERR_BAD_ANSWER', `${what} unexpectedly: ${said}`)
}

function secretsOf(proxy: string | undefined): readonly string[] {
  if (proxy === undefined) return []
  const { username, password } = new URL(proxy)
  return [password, decodeURIComponent(password), username].filter((part) => part !== '')
}
