import { workerData } from 'node:worker_threads'
import { failedReply, handlerSettings, type Reply, type Task, Tasks } from '../workers/handler/tasks.js'

/** The same handler where the token is kept by the main thread: it comes with the task. */

export interface TaskWithToken {
  readonly task: Task
  readonly accessToken: string
}

const tasks = new Tasks(handlerSettings(workerData))

export default async function handle({ task, accessToken }: TaskWithToken): Promise<Reply> {
  try {
    return await tasks.run(task, accessToken)
  } catch (error) {
    return failedReply(error)
  }
}
