import { messageOf, withoutSecrets } from '../../../src/errors.js'
import { StoreOperatorError } from '../store-error.js'
import { placeOf, type Target } from './target.js'

/**
 * What a failure means. Redis names it by the first word of its reply; older ones (before 7) put what failed inside
 * a script further back, so the word is looked for in the whole reply.
 */

/** The server is not the one that is looked for (a master that became a replica), or does not know us any more. */
export function isOfNoUse(error: unknown): boolean {
  return /\b(READONLY|MASTERDOWN|NOAUTH)\b/.test(messageOf(error))
}

export function isUnknownScript(error: unknown): boolean {
  return messageOf(error).startsWith('NOSCRIPT')
}

/** Where a node of a cluster sends us; an empty host is its own. */
export interface Redirection {
  readonly kind: 'MOVED' | 'ASK'
  readonly host: string
  readonly port: number
}

export function redirectionOf(error: unknown): Redirection | undefined {
  const [, kind, host, port] = /^(MOVED|ASK) \d+ (.*):(\d+)/.exec(messageOf(error)) ?? []
  if ((kind !== 'MOVED' && kind !== 'ASK') || host === undefined) return undefined
  return { kind, host: host === '?' ? '' : host, port: Number(port) }
}

const NO_ACCESS = /\b(NOAUTH|WRONGPASS)\b|without any password|no password is set|invalid password/
// Inside a script it is said in other words: by Redis 6 and 7.0, by 7.2 and newer.
const NO_RIGHT = /\bNOPERM\b|The user executing the script can't|ACL failure in script/
const NO_DATABASE = /DB index|SELECT is not allowed/
const NO_COMMAND = /unknown command/i
const OTHER_NAME = /^(ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH)$/
const OUT_OF_DATE = /^(CERT_HAS_EXPIRED|CERT_NOT_YET_VALID)$/
const UNTRUSTED = /^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)|ERR_TLS_CERT|INVALID_CA)/

/** Says already which server it is about. */
export class ServerFailure extends Error {}

/** What a message names beside the server. */
export interface Subject {
  readonly key?: string
  /** What the user must be allowed. */
  readonly rights?: string
}

/** As the store throws it: says who can mend it, and shows no secret. */
export function failureOf(error: unknown, target: Target, subject: Subject = {}): Error {
  if (error instanceof StoreOperatorError || error instanceof ServerFailure) return error
  const said = saidBy(error, target)
  const text = `Redis at ${placeOf(target)}: ${said}`
  const mend = mendOf(error, said, subject)
  return mend === undefined ? new ServerFailure(text) : new StoreOperatorError(`${text}. ${mend}`)
}

function mendOf(error: unknown, said: string, { key = '', rights = RIGHTS }: Subject): string | undefined {
  if (/\bWRONGTYPE\b/.test(said))
    return `The key ${key} holds something that is not ours: move it elsewhere, or delete it`
  if (NO_ACCESS.test(said)) return 'Correct user and password in store.url'
  if (NO_RIGHT.test(said)) return `Allow the user of store.url what the store needs: ${rights}`
  if (NO_DATABASE.test(said)) return 'Correct the database number, the path of store.url'
  if (NO_COMMAND.test(said)) return 'The store needs Redis 5 or newer, with scripts'
  if (/^MOVED\b/.test(said)) return 'It is a node of a Redis Cluster: set store.cluster'
  return mendOfCertificate(codeOf(error))
}

function mendOfCertificate(code: string): string | undefined {
  if (OTHER_NAME.test(code))
    return 'Its certificate is for another name: give the host in store.url as the certificate names it, and let a cluster (cluster-announce-hostname, cluster-preferred-endpoint-type hostname) or Sentinels (resolve-hostnames, announce-hostnames) name servers so, too'
  if (/CERTIFICATE_REQUIRED$/.test(code))
    return 'It asks for a certificate of ours, and the store has none: set tls-auth-clients no'
  if (OUT_OF_DATE.test(code)) return 'Renew its certificate, or set the clock of this machine right'
  if (UNTRUSTED.test(code))
    return 'Its certificate is not trusted: name its CA’s file in NODE_EXTRA_CA_CERTS when the process starts'
  return undefined
}

const RIGHTS =
  '~token-thread:* &token-thread:notices +evalsha +eval +time +hgetall +hset +hdel +publish +subscribe +ping +role +info +select +asking'

/** An unknown command is answered with its arguments, and one of ours is the token. */
function saidBy(error: unknown, { password }: Target): string {
  const [said = ''] = textOf(error).split(/,? with args beginning with/)
  return withoutSecrets(said.trim(), password === undefined ? [] : [password])
}

/** Node fails with all addresses of a host as one error without a text. */
function textOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ')
  return messageOf(error)
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}
