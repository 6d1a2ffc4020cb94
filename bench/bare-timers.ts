import { request } from 'node:http'
import { parentPort, workerData } from 'node:worker_threads'
import { type Chains, startChains } from './chains.js'

/** What the worker below is started with. */
export interface BareTimersData extends Chains {
  /** Send a token request at each instant to this URL, for the account `bare-<chain>`. */
  readonly sendTo: string | undefined
}

/** An otherwise empty worker: how late its timers fire is the machine's doing, and nobody's timer fires sooner. */

const data: unknown = workerData
if (!isBareTimersData(data)) throw new Error('this file is a worker of the bench')
void Promise.all(
  startChains(data, (firing) => {
    parentPort?.postMessage(firing)
    return data.sendTo === undefined ? undefined : send(data.sendTo, `bare-${firing.chain}`)
  }),
)

function send(url: string, appid: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = request(`${url}/cgi-bin/stable_token`, { method: 'POST', agent: false }, (response) => {
      response.resume().on('end', resolve).on('error', reject)
    })
    call.on('error', reject)
    call.end(JSON.stringify({ grant_type: 'client_credential', appid, secret: 'secret' }))
  })
}

function isBareTimersData(value: unknown): value is BareTimersData {
  return typeof value === 'object' && value !== null && 'chains' in value
}
