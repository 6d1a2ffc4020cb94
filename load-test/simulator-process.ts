import { startSimulator, type Simulator } from '../simulator/index.js'
import type { AccountAnswer, ToSimulator, WechatReport } from './messages.js'

/** WeChat, simulated, in a process of its own: the server blocks its event loop, and WeChat must not stand still. */

/** ms that a token call takes. */
const TOKEN_CALL = 200
/** s; a normal call brings a new token from here on, and the old one works on for the overlap. */
const RENEWAL_WINDOW = 1.5
const OVERLAP = 1

const appIdOf = (number: number): string => `wx${String(number).padStart(16, '0')}`

let simulator: Simulator | undefined
/** Each run has an account of its own: this one's is counted. */
let current = -1
let tokenCalls: WechatReport['tokenCalls'][number][] = []
let refused: number[] = []

process.on('disconnect', () => process.exit())
process.on('message', (question: ToSimulator) => {
  answer(question).then(
    (said) => process.send?.(said),
    (error: unknown) => {
      // An uncaught error ends this process, and the load test says so.
      throw error
    },
  )
})

async function answer(question: ToSimulator): Promise<object> {
  switch (question.type) {
    case 'start':
      simulator = await start(question.accounts)
      return { done: true }
    case 'account':
      return nextAccount(question.expiresIn)
    case 'report':
      return { tokenCalls, refused } satisfies WechatReport
  }
}

async function start(accounts: number): Promise<Simulator> {
  const started = await startSimulator({
    accounts: Array.from({ length: accounts }, (_, i) => ({ appId: appIdOf(i), appSecret: `secret-${i}` })),
    expiresIn: 3,
    renewalWindow: RENEWAL_WINDOW,
    overlap: OVERLAP,
  })
  started.inject({ delay: TOKEN_CALL })
  started.on('call', ({ kind, appId, outcome, errcode }) => {
    if (kind === 'stable_token' && appId === appIdOf(current)) {
      tokenCalls.push({ at: Date.now(), issued: outcome === 'issued' })
    } else if (errcode === 40001 || errcode === 40014 || errcode === 42001) {
      refused.push(Date.now())
    }
  })
  return started
}

function nextAccount(expiresIn: number): AccountAnswer {
  if (!simulator) throw new Error('the simulator is not started')
  current += 1
  tokenCalls = []
  refused = []
  simulator.setExpiresIn(expiresIn)
  return { account: simulator.options(appIdOf(current)) }
}
