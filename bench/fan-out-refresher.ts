import { workerData } from 'node:worker_threads'
import { systemClock, systemRandom } from '../src/clock.js'
import type { ThreadStart } from '../src/protocol.js'
import type { Issuer } from '../workers/issuer.js'
import { runRefresher } from '../workers/run.js'
import { stamp } from './fan-out-stamp.js'

/** The refresher itself, with an issuer that answers at once: each token says when it was made. */

const LIFE = 200

const issuer: Issuer = {
  limits: { perDay: 1_000_000, dayOffset: 0, force: undefined },
  requestSide: {
    place: { in: 'query', name: 'access_token' },
    refused: { statuses: [], field: 'errcode', codes: [] },
    origins: [],
    except: [],
  },
  retires: false,
  fetch: () => Promise.resolve({ granted: true, accessToken: stamp(), life: LIFE }),
}

const start: unknown = workerData
if (!isThreadStart(start)) throw new Error('this file is the worker of a bench')
void runRefresher(start, { clock: systemClock, random: systemRandom, issuerOf: () => issuer })

function isThreadStart(data: unknown): data is ThreadStart {
  return typeof data === 'object' && data !== null && 'type' in data && data.type === 'token-thread'
}
