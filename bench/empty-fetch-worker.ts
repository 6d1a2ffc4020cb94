import { parentPort, workerData } from 'node:worker_threads'
import { fetch } from 'undici'

const body = JSON.stringify({ grant_type: 'client_credential', appid: 'wx', secret: 'secret' })
const answer = await fetch(`${String(workerData)}/cgi-bin/stable_token`, { method: 'POST', body })
const read: unknown = await answer.json()
if (typeof read === 'object' && read !== null && 'access_token' in read)
  parentPort?.postMessage(read.access_token)
// As long as the refresher lives on, so does this one: its memory is measured afterwards.
setInterval(() => undefined, 60_000)
