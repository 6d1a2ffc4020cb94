import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Reader, SimulatorInputError, fieldsOf, oneOf, optional, text, wholeFrom } from './checks.js'
import { readBody } from './call.js'
import { faultFields, readFault } from './fault-input.js'
import type { Injected } from './faults.js'
import { readExpiresIn } from './options.js'
import type { Simulator } from './simulator.js'

/** Where the control interface lives, beside WeChat's own paths. */
export const controlPrefix = '/_control/'

/** Answers a control request. */
export type Control = (req: IncomingMessage, res: ServerResponse, url: URL) => Promise<void>

type Input = Readonly<Record<string, unknown>>

interface Action {
  readonly method: 'GET' | 'POST'
  readonly fields: readonly string[]
  run(input: Input): unknown
}

const readKind: Reader<'classic' | 'stable' | undefined> = optional(oneOf('classic', 'stable'))

/**
 * The control interface, for another process than the simulator's own. Bodies and answers are JSON.
 *
 *     GET  /_control/counters                           -> { total, accounts: { [appId]: Counters } }
 *     POST /_control/rotate      { appId, kind? }       -> {}
 *     POST /_control/revoke      { appId, kind? }       -> {}
 *     POST /_control/refuse      { accessToken }        -> {}
 *     POST /_control/expires-in  { expiresIn }          -> {}      seconds
 *     POST /_control/inject      Fault                  -> { id }
 *     POST /_control/clear       { id? }                -> { count }  removes one injected fault, or all; what
 *                                                          they hold goes on; count: requests they struck
 *
 * `clear` removes the faults that were injected over HTTP. A `body` of `then` may be a string or any JSON. Bad
 * input is answered with status 400 and `{ error, field }`, an unknown path with 404, a wrong method with 405.
 */
export function control(simulator: Simulator, appIds: readonly string[]): Control {
  const injections = new Map<number, Injected>()
  let lastId = 0
  const actions: Readonly<Record<string, Action>> = {
    counters: {
      method: 'GET',
      fields: [],
      run: () => ({
        total: simulator.counters(),
        accounts: Object.fromEntries(appIds.map((appId) => [appId, simulator.counters(appId)])),
      }),
    },
    rotate: {
      method: 'POST',
      fields: ['appId', 'kind'],
      run: ({ appId, kind }) => simulator.rotate(text('appId', appId), readKind('kind', kind)),
    },
    revoke: {
      method: 'POST',
      fields: ['appId', 'kind'],
      run: ({ appId, kind }) => simulator.revoke(text('appId', appId), readKind('kind', kind)),
    },
    refuse: {
      method: 'POST',
      fields: ['accessToken'],
      run: ({ accessToken }) => simulator.refuse(text('accessToken', accessToken)),
    },
    'expires-in': {
      method: 'POST',
      fields: ['expiresIn'],
      run: ({ expiresIn }) => simulator.setExpiresIn(readExpiresIn('expiresIn', expiresIn)),
    },
    inject: {
      method: 'POST',
      fields: faultFields,
      run: (fault) => {
        const injected = simulator.inject(readFault(fault))
        injections.set(++lastId, injected)
        return { id: lastId }
      },
    },
    clear: {
      method: 'POST',
      fields: ['id'],
      run: (input) => {
        const id = optional(wholeFrom(1, lastId))('id', input.id)
        let count = 0
        for (const [one, injected] of injections) {
          if (id !== undefined && one !== id) continue
          injected.remove()
          count += injected.count
          injections.delete(one)
        }
        return { count }
      },
    },
  }

  return async (req, res, url) => {
    const body = await readBody(req)
    if (body === undefined) {
      req.destroy()
      return
    }
    const name = url.pathname.slice(controlPrefix.length)
    const action = Object.hasOwn(actions, name) ? actions[name] : undefined
    if (!action) answer(res, 404, { error: `no such path: use ${Object.keys(actions).join(', ')}` })
    else if (req.method !== action.method) answer(res, 405, { error: `use ${action.method}` })
    else act(res, action, body)
  }
}

function act(res: ServerResponse, action: Action, body: string): void {
  try {
    answer(res, 200, action.run(fieldsOf('the body', body === '' ? {} : parse(body), action.fields)) ?? {})
  } catch (error) {
    if (!(error instanceof SimulatorInputError)) throw error
    answer(res, 400, { error: error.message, field: error.field })
  }
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    throw new SimulatorInputError('the body', 'must be JSON')
  }
}

function answer(res: ServerResponse, status: number, body: unknown): void {
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
