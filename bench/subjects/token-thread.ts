import { TokenThread } from '../../src/index.js'
import type { Subject } from '../subject.js'
import { startTokenServer } from '../token-server.js'

const account = { appIds: ['wx'], gzip: false }
const refusals: readonly unknown[] = [40001, 40014, 42001]

/** The stable endpoint; an API request is `fetch`, healed by hand as in `examples/node-http.ts`. */
export const tokenThread: Subject = {
  name: 'TokenThread',
  serve: (lives, tokenCall) =>
    startTokenServer({
      ...account,
      ...(lives === 'short'
        ? { expiresIn: 2, renewalWindow: 1.5, overlap: 1 }
        : { expiresIn: 7200, renewalWindow: 300, overlap: 300 }),
      tokenCall,
    }),
  start(url) {
    const tokens = new TokenThread({ appId: 'wx', appSecret: 'secret', baseUrl: url, logger: false })
    const send = async (token: string): Promise<unknown> => {
      const answer = await fetch(`${url}/cgi-bin/getcallbackip?access_token=${token}`)
      return answer.json()
    }
    return {
      first: async () => (await tokens.ready()).accessToken,
      read: () => tokens.get(),
      async request() {
        const token = tokens.get()
        const answer = await send(token)
        if (!isRefusal(answer)) return true
        const newer = await tokens.reject(token)
        return !isRefusal(await send(newer.accessToken))
      },
      reject: (refused) => tokens.reject(refused),
      close: () => tokens.close(),
    }
  },
}

const isRefusal = (answer: unknown): boolean =>
  typeof answer === 'object' && answer !== null && 'errcode' in answer && refusals.includes(answer.errcode)
