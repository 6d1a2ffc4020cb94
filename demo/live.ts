import { TokenThread } from '../src/index.js'
import { callWechat } from './server.js'
import { newTally, type Tally } from './tally.js'

const WECHAT = 'https://api.weixin.qq.com'

/** The real WeChat: one token call, one ordinary API call. */
export async function runLive(): Promise<Tally> {
  const tally = newTally()
  await using tokens = await TokenThread.start()
  console.log(tokens.current)
  const body = await callWechat(tokens, WECHAT, tally)
  console.log(`getcallbackip: ${body.slice(0, 200)}`)
  return tally
}
