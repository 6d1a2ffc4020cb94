import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { TokenThread } from '../src/index.js'
import { blockEventLoop } from './block.js'
import { startPool } from './pool.js'
import { Screen } from './screen.js'
import { createShop } from './server.js'
import { startWechat } from './simulator.js'
import { newTally, type Tally } from './tally.js'
import { traffic } from './traffic.js'

const BLOCK = 2_000
/** The refresh shall fall into the block, this long after its beginning. */
const INTO_BLOCK = 800

/** A simulated WeChat, the thread, a server and its clients, until `seconds` are over or `interrupted`. */
export async function runSimulated(seconds: number, interrupted: AbortSignal): Promise<Tally> {
  const screen = new Screen()
  const tally = newTally()
  screen.text('A simulated WeChat issues tokens that live for 3 s; a token call takes 200 ms.')
  screen.text(
    'One thread fetches and refreshes them. The server’s handlers read: tokens.get(), synchronously; half of them ' +
      'run on a pool’s thread, which has the token in its own memory.\n',
  )

  const wechat = await startWechat()
  const tokens = await TokenThread.start({ ...wechat.options, logger: false })
  screen.line('first token in hand: the server opens')
  tokens.on('token', ({ generation, expiresAt }) => {
    if (generation === first) return
    tally.refreshes += 1
    screen.line(
      `rotation ${tally.refreshes}: a new token, valid for ${((expiresAt - Date.now()) / 1000).toFixed(1)} s`,
    )
  })
  const first = tokens.status().generation
  tokens.on('failure', ({ message }) => screen.line(`failure: ${message}`))

  const pool = startPool(wechat.options)
  const server = createShop(tokens, pool, wechat.options.baseUrl, tally).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')

  let served = 0
  const ending = new AbortController()
  const end = (): void => ending.abort()
  const timer = setTimeout(end, seconds * 1_000)
  interrupted.addEventListener('abort', end)
  const over = ending.signal
  const clients = traffic(`http://127.0.0.1:${address.port}/`, over, () => (served += 1))
  const display = setInterval(() => {
    const { expiresAt = 0, issuedAt = 0 } = tokens.current ?? {}
    screen.status(expiresAt - Date.now(), expiresAt - issuedAt, served)
  }, 100)
  const ticks = setInterval(() => screen.tick(), 1_000)

  await blockOnce(tokens, screen, seconds, over)
  await clients
  clearTimeout(timer)
  clearInterval(display)
  clearInterval(ticks)
  screen.end()
  server.close()
  server.closeAllConnections()
  tally.refused = await wechat.refused()
  await pool.destroy()
  await tokens.close()
  wechat.stop()

  screen.text(
    `\n${served} requests served over ${tally.refreshes} rotations: ` +
      `${tally.stalled} found no token, ${tally.refused} were refused, ${tally.expiredReads} read an expired one.`,
  )
  return tally
}

/** In the middle of the show: 2 s in which this thread does nothing else, with a refresh in between. */
async function blockOnce(
  tokens: TokenThread,
  screen: Screen,
  seconds: number,
  over: AbortSignal,
): Promise<void> {
  try {
    await sleep(seconds * 400, undefined, { signal: over })
    let wait = (tokens.status().nextRefreshAt ?? 0) - INTO_BLOCK - Date.now()
    if (wait < 0) {
      await once(tokens, 'token', { signal: over })
      wait = (tokens.status().nextRefreshAt ?? 0) - INTO_BLOCK - Date.now()
    }
    await sleep(wait, undefined, { signal: over })
  } catch {
    return // It was over before.
  }
  screen.line('now the main thread is blocked for 2 s: no timer, no callback, no I/O runs here ...')
  const { seenAfter, reads } = blockEventLoop(tokens, BLOCK)
  screen.line(
    seenAfter === undefined
      ? '... and no refresh happened in it'
      : `... refreshed all the same: ${(seenAfter / 1000).toFixed(1)} s into the block a read saw the new token (${reads} reads, none waited)`,
  )
}
