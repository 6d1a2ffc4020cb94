import { Piscina } from 'piscina'
import type { Reply, Task } from '../workers/handler/tasks.js'

export type HandlerPool = Piscina<Task, Reply>

/** One thread for the CPU-heavy requests; it holds the token in its own memory. */
export function startPool(wechat: { readonly appId: string; readonly baseUrl: string }): HandlerPool {
  return new Piscina<Task, Reply>({
    filename: new URL('../workers/handler-dev.mjs', import.meta.url).href,
    workerData: {
      ...{ appId: wechat.appId, baseUrl: wechat.baseUrl },
      ...{ token: 'of-the-demo', encodingAesKey: 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG' },
    },
    minThreads: 1,
    maxThreads: 1,
    // Its default parks an idle thread, which then hears no events.
    atomics: 'disabled',
  })
}
