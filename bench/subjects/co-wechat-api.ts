import WechatApi from 'co-wechat-api'
import { PERIOD, type Subject } from '../subject.js'
import { startTokenServer } from '../token-server.js'

/** It counts a token as expired 10 s before its end. */
const MARGIN = 10

/**
 * co-wechat-api with its own, in-memory store: it fetches on demand, on the classic endpoint. The real one allows
 * 2000 fetches a day; here the limit is out of the way, so that all it sends is seen.
 */
export const coWechatApi: Subject = {
  name: 'co-wechat-api',
  serve: (lives, tokenCall) =>
    startTokenServer({
      appIds: ['wx'],
      gzip: false,
      ...(lives === 'short' ? { expiresIn: MARGIN + PERIOD / 1000 } : { expiresIn: 7200 }),
      ...{ renewalWindow: 5, overlap: 300, tokenCall, dailyLimit: 1_000_000 },
    }),
  start(url) {
    const api = new WechatApi('wx', 'secret')
    api.prefix = `${url}/cgi-bin/`
    const read = async (): Promise<string> => (await api.ensureAccessToken()).accessToken
    return {
      first: read,
      read,
      async request() {
        await api.getIp()
        return true
      },
      close: () => undefined,
    }
  },
}
