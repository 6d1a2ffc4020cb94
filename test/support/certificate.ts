import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export interface Certificate {
  /** Paths of files. */
  readonly ca: string
  readonly cert: string
  readonly key: string
  /** Of the same key, but it ended yesterday. */
  readonly expired: string
  readonly remove: () => void
}

/** For 127.0.0.1, by a CA that nobody trusts unless told to. */
export async function certificate(): Promise<Certificate> {
  const folder = mkdtempSync(join(tmpdir(), 'token-thread-tls-'))
  const path = (name: string): string => join(folder, name)
  const openssl = (...args: string[]): Promise<unknown> => promisify(execFile)('openssl', args)
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  await openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    path('ca.key'),
    '-out',
    path('ca.crt'),
    '-subj',
    '/CN=a test CA',
  )
  await openssl(
    ...[
      'req',
      '-x509',
      ...key,
      '-keyout',
      path('server.key'),
      '-out',
      path('server.crt'),
      '-subj',
      '/CN=redis',
    ],
    ...['-CA', path('ca.crt'), '-CAkey', path('ca.key'), '-addext', 'subjectAltName=IP:127.0.0.1'],
    ...['-addext', 'basicConstraints=critical,CA:FALSE'],
  )
  const request = path('server.csr')
  await openssl('req', '-new', '-key', path('server.key'), '-subj', '/CN=redis', '-out', request)
  await openssl(
    ...['x509', '-req', '-in', request, '-days', '-1', '-out', path('expired.crt')],
    ...['-CA', path('ca.crt'), '-CAkey', path('ca.key')],
  )
  return {
    ca: path('ca.crt'),
    expired: path('expired.crt'),
    cert: path('server.crt'),
    key: path('server.key'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
