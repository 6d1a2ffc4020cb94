import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { type Encoded, refusal, send } from './answers.js'
import type { FaultAnswer, FaultBody, FaultName } from './faults.js'

/** What a fault needs to answer one request. */
export interface FaultContext {
  readonly res: ServerResponse
  readonly callerIp: string
  readonly gzip: boolean
  /** The normal answer; asking for it may issue a token. */
  readonly normal: () => Encoded
}

const json = { 'content-type': 'application/json; encoding=utf-8' }
const tokenStart = '{"access_token":"'

/** Answers a request the wrong way. Returns the errcode that it was refused with, if any. */
export function answerFault(then: FaultAnswer, context: FaultContext): number | undefined {
  if (typeof then === 'string') {
    named[then](context.res, context)
    return undefined
  }
  if ('errcode' in then) {
    const reply = refusal(then.errcode, context.callerIp, then.errmsg)
    send(context.res, reply, context.gzip)
    return then.errcode
  }
  sendBody(context.res, then)
  return undefined
}

function sendBody(res: ServerResponse, { status = 200, headers = {}, body }: FaultBody): void {
  const raw = typeof body === 'string' || body instanceof Uint8Array
  // JSON.stringify gives undefined for undefined, whatever its type says.
  const bytes = raw ? body : body === undefined ? '' : JSON.stringify(body)
  res.writeHead(status, { ...json, ...headers }).end(bytes)
}

const named: Readonly<Record<FaultName, (res: ServerResponse, context: FaultContext) => void>> = {
  reset: (res) => res.socket?.resetAndDestroy(),
  'half-body': (res, { normal }) => {
    const { bytes, headers } = normal()
    res.writeHead(200, headers)
    res.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => res.socket?.destroy())
  },
  garbage: (res) => {
    // 0xff is in no JSON text, so it can't be read by chance.
    res.writeHead(200, json).end(Buffer.concat([Buffer.from([0xff]), randomBytes(511)]))
  },
  html: (res) => {
    const page =
      '<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>'
    res.writeHead(502, { 'content-type': 'text/html' }).end(page)
  },
  'bad-gzip': (res) => {
    res.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(Buffer.from('not gzip at all'))
  },
  'big-body': (res) => {
    res.writeHead(200, json)
    res.write(tokenStart)
    res.end(`${'A'.repeat(5 * 1024 * 1024)}","expires_in":7200}`)
  },
  'gzip-bomb': (res) => {
    // Gzip members may follow one another: 50 times the same, so that the simulator itself inflates nothing.
    const member = gzipSync(Buffer.alloc(1024 * 1024, 'A'))
    const bomb = [gzipSync(tokenStart), ...Array<Buffer>(50).fill(member), gzipSync('","expires_in":7200}')]
    res.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(Buffer.concat(bomb))
  },
  endless: (res) => {
    res.writeHead(200, json)
    res.write(tokenStart)
    const drip = setInterval(() => res.write('A'.repeat(64)), 10)
    const end = setTimeout(() => res.end(), 60_000)
    res.once('close', () => {
      clearInterval(drip)
      clearTimeout(end)
    })
  },
  silent: () => undefined,
  redirect: (res) => res.writeHead(302, { location: '/elsewhere' }).end(),
}
