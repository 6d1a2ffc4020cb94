import { BroadcastChannel, type MessagePort, workerData } from 'node:worker_threads'
import { stamp } from './fan-out-stamp.js'

/** An otherwise empty worker that publishes as often as the refresher does, by ports or by a BroadcastChannel. */

export interface PublisherData {
  /** Undefined: by the channel of this name. */
  readonly ports: readonly MessagePort[] | undefined
  readonly channel: string
  /** ms between two */
  readonly period: number
}

const data: unknown = workerData
if (!isPublisherData(data)) throw new Error('this file is a worker of a bench')
const { ports, channel, period } = data
const targets: readonly { postMessage(message: object): void }[] = ports ?? [new BroadcastChannel(channel)]
setInterval(() => {
  // As much as a state holds.
  const state = {
    accessToken: stamp(),
    issuedAt: 0,
    expiresAt: 0,
    generation: 0,
    failures: 0,
    due: { wall: 0, mono: 0 },
  }
  for (const target of targets) target.postMessage(state)
}, period)

function isPublisherData(value: unknown): value is PublisherData {
  return typeof value === 'object' && value !== null && 'period' in value
}
