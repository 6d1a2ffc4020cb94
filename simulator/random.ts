import { randomBytes, randomInt } from 'node:crypto'

const letters = (length: number): string => randomBytes(length).toString('base64url').slice(0, length)

/** A token that looks like WeChat's: a number, `_`, and 136 to 157 characters of [A-Za-z0-9_-] in all. */
export const randomToken = (): string => `${randomInt(10, 99)}_${letters(randomInt(133, 155))}`

/** A jsapi or card ticket: 86 characters. */
export const randomTicket = (): string => letters(86)

/** WeChat's request id, the last part of each errmsg. */
export const randomRid = (): string =>
  [randomBytes(4), randomBytes(4), randomBytes(4)].map((part) => part.toString('hex')).join('-')
