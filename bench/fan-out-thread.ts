import { BroadcastChannel, type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { subscribeTokens } from '../src/index.js'
import { age } from './fan-out-stamp.js'

/** A handler thread: how old each token is when it is seen here. */

export type Way = 'subscribeTokens' | 'a bare port' | 'BroadcastChannel'

export interface ThreadData {
  readonly way: Way
  readonly port: MessagePort | undefined
  readonly channel: string
}

const data: unknown = workerData
if (!isThreadData(data)) throw new Error('this file is a worker of a bench')
const { way, port, channel } = data

let ages: number[] = []
const saw = (accessToken: string): void => void ages.push(age(accessToken))
if (way === 'subscribeTokens') {
  const tokens = await subscribeTokens()
  tokens.on('token', (token) => saw(token.accessToken))
} else if (way === 'BroadcastChannel') {
  const broadcast = new BroadcastChannel(channel)
  broadcast.onmessage = ({ data: state }: { readonly data: { readonly accessToken: string } }) =>
    saw(state.accessToken)
} else {
  port?.on('message', ({ accessToken }: { accessToken: string }) => saw(accessToken))
}
parentPort?.on('message', (what) => {
  if (what === 'begin') ages = []
  else parentPort?.postMessage(ages)
})
parentPort?.postMessage('ready')

function isThreadData(value: unknown): value is ThreadData {
  return typeof value === 'object' && value !== null && 'way' in value
}
