import { once } from 'node:events'
import type { Reply, Task } from '../workers/handler/tasks.js'
import type { Listening, ToServer } from './messages.js'
import { plainPool, subscribedPool } from './pool.js'
import { createMonolith, type HandlerPool } from './server.js'
import { startTokens } from './tokens/start.js'
import { Waits } from './waits.js'

/** The monolithic server, in a process of its own; one for each run of a mode. */

let waits: Waits | undefined

process.on('disconnect', () => process.exit())
process.on('message', (question: ToServer) => {
  answer(question).then(
    (said) => process.send?.(said),
    (error: unknown) => {
      // An uncaught error ends this process, and the load test says so.
      throw error
    },
  )
})

async function answer(question: ToServer): Promise<object> {
  if (question.type === 'start') return start(question)
  if (!waits) throw new Error('the server is not started')
  return waits.report()
}

async function start({ mode, account, handler }: ToServer & { type: 'start' }): Promise<Listening> {
  const holder = await startTokens(mode, account)
  const started = new Waits(holder)
  waits = started
  const pool = await (mode === 'thread' ? subscribed(started) : withToken(started))
  const server = createMonolith(account.baseUrl, started, pool)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return { port: address.port }

  async function subscribed(counter: Waits): Promise<HandlerPool> {
    const threads = await subscribedPool(handler)
    return {
      async run(task: Task): Promise<Reply> {
        const reply = await threads.run(task)
        // The handler answers so when its thread holds no live token.
        if (reply.status === 503) counter.foundNone()
        return reply
      },
    }
  }

  async function withToken(counter: Waits): Promise<HandlerPool> {
    const threads = await plainPool(handler)
    return { run: async (task) => threads.run({ task, accessToken: await counter.take() }) }
  }
}
