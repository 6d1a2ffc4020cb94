import { validateHeaderName, validateHeaderValue } from 'node:http'
import {
  type Reader,
  SimulatorInputError,
  fieldsOf,
  flag,
  isRecord,
  numberFrom,
  oneOf,
  optional,
  text,
  wholeFrom,
} from './checks.js'
import { type Fault, type FaultAnswer, faultNames } from './faults.js'

/** Whether it runs through without throwing. */
function works(attempt: () => void): boolean {
  try {
    attempt()
    return true
  } catch {
    return false
  }
}

function readHeader(field: string, name: string, value: unknown): string {
  if (!works(() => validateHeaderName(name))) {
    throw new SimulatorInputError(field, 'is no header name: use letters, digits and hyphens')
  }
  const header = text(field, value)
  if (!works(() => validateHeaderValue(name, header))) {
    throw new SimulatorInputError(
      field,
      'must be one line of Latin-1 text: remove or encode other characters',
    )
  }
  return header
}

const readHeaders: Reader<Record<string, string>> = (field, value) => {
  const given = fieldsOf(field, value, Object.keys(isRecord(value) ? value : {}))
  return Object.fromEntries(
    Object.entries(given).map(([name, header]) => [name, readHeader(`${field}.${name}`, name, header)]),
  )
}

/** Bytes and nothing at all are sent without JSON. */
const canBeSent = (body: unknown): boolean => {
  if (body === undefined || body instanceof Uint8Array) return true
  let json: unknown
  return works(() => (json = JSON.stringify(body))) && typeof json === 'string'
}

const readErrcode: Reader<FaultAnswer> = (field, value) => {
  const given = fieldsOf(field, value, ['errcode', 'errmsg'])
  const errmsg = optional(text)(`${field}.errmsg`, given.errmsg)
  return {
    errcode: wholeFrom(-1e9, 1e9)(`${field}.errcode`, given.errcode),
    ...(errmsg !== undefined && { errmsg }),
  }
}

const readBody: Reader<FaultAnswer> = (field, value) => {
  const given = fieldsOf(field, value, ['status', 'headers', 'body'])
  const status = optional(wholeFrom(200, 599))(`${field}.status`, given.status)
  const headers = optional(readHeaders)(`${field}.headers`, given.headers)
  if (!canBeSent(given.body)) {
    const problem = 'must be a string, bytes, or what JSON can hold: no cycle, BigInt or function'
    throw new SimulatorInputError(`${field}.body`, problem)
  }
  return { body: given.body, ...(status !== undefined && { status }), ...(headers && { headers }) }
}

const readAnswer: Reader<FaultAnswer> = (field, value) => {
  if (!isRecord(value)) return oneOf(...faultNames)(field, value)
  return 'errcode' in value ? readErrcode(field, value) : readBody(field, value)
}

export const faultFields = ['on', 'appId', 'times', 'delay', 'hold', 'then']

/** A fault as given by a test or over HTTP, checked: one that strikes nothing by a typing error is a lost hour. */
export function readFault(value: unknown): Fault {
  const given = fieldsOf('fault', value, faultFields)
  const on = optional(oneOf('token', 'api', 'all'))('on', given.on)
  const appId = optional(text)('appId', given.appId)
  const times = optional(wholeFrom(1, 1e9))('times', given.times)
  const delay = optional(numberFrom(0, 2 ** 31 - 1))('delay', given.delay)
  const hold = optional(flag)('hold', given.hold)
  const then = optional(readAnswer)('then', given.then)
  return {
    ...(on !== undefined && { on }),
    ...(appId !== undefined && { appId }),
    ...(times !== undefined && { times }),
    ...(delay !== undefined && { delay }),
    ...(hold !== undefined && { hold }),
    ...(then !== undefined && { then }),
  }
}
