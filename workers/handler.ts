import { workerData } from 'node:worker_threads'
import { subscribeTokens, TokenThreadError } from '../src/index.js'
import { failedReply, handlerSettings, type Reply, type Task, Tasks, textReply } from './handler/tasks.js'
import { WechatError } from './handler/wechat-api.js'

/**
 * A request handler for a Piscina pool, where a monolith does its CPU-heavy work:
 *
 *     const pool = new Piscina({ filename, workerData: { baseUrl, appId, token, encodingAesKey }, atomics: 'disabled' })
 *     const reply = await pool.run({ kind: 'message', query, body })
 *
 * Each thread of the pool holds the token in its own memory: the refresher sends it there.
 */
const tokens = await subscribeTokens()
const tasks = new Tasks(handlerSettings(workerData))

export default async function handle(task: Task): Promise<Reply> {
  try {
    return await withToken((accessToken) => tasks.run(task, accessToken))
  } catch (error) {
    // It can't be thrown: an error that crosses threads loses its class and its code.
    if (error instanceof TokenThreadError) return textReply(503, error.message)
    return failedReply(error)
  }
}

/** Reads the token, at once. A refused one is replaced, and the call made once more. */
async function withToken<T>(call: (accessToken: string) => Promise<T>): Promise<T> {
  const accessToken = tokens.get()
  try {
    return await call(accessToken)
  } catch (error) {
    if (!(error instanceof WechatError) || !error.tokenRefused) throw error
    const newer = await tokens.reject(accessToken)
    return call(newer.accessToken)
  }
}
