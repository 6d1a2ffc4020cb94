import type { HandlerSettings } from '../workers/handler/tasks.js'
import type { Mode } from './options.js'
import type { Account } from './tokens/account.js'

/** What the processes of the load test say to each other. Instants are ms since 1970. */

export type ToSimulator =
  | { readonly type: 'start'; readonly accounts: number }
  /** A fresh account, whose tokens live so many seconds. */
  | { readonly type: 'account'; readonly expiresIn: number }
  | { readonly type: 'report' }

export interface AccountAnswer {
  readonly account: Account
}

/** What happened since the last account was given out. */
export interface WechatReport {
  readonly tokenCalls: readonly { readonly at: number; readonly issued: boolean }[]
  /** API calls refused because of their token. */
  readonly refused: readonly number[]
}

export type ToServer =
  | {
      readonly type: 'start'
      readonly mode: Mode
      readonly account: Account
      readonly handler: HandlerSettings
    }
  | { readonly type: 'report' }

export interface Listening {
  readonly port: number
}

export interface ServerReport {
  /** When requests got their token that had to wait for it, or learned that there is none. */
  readonly waited: readonly number[]
  /** What went wrong, each once. */
  readonly errors: readonly string[]
}

export const isDone = (answer: unknown): answer is { readonly done: true } => has(answer, 'done')
export const isAccount = (answer: unknown): answer is AccountAnswer => has(answer, 'account')
export const isWechatReport = (answer: unknown): answer is WechatReport => has(answer, 'tokenCalls')
export const isListening = (answer: unknown): answer is Listening => has(answer, 'port')
export const isServerReport = (answer: unknown): answer is ServerReport => has(answer, 'waited')

function has(answer: unknown, field: string): boolean {
  return typeof answer === 'object' && answer !== null && field in answer
}
