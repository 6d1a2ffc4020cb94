import { once } from 'node:events'
import { Piscina } from 'piscina'
import { expect, test } from 'vitest'
import { jsSdkSignature } from '../../workers/handler/js-sdk.js'
import { MessageCrypto } from '../../workers/handler/message-crypto.js'
import type { Reply, Task } from '../../workers/handler/tasks.js'
import type { CallEvent, Simulator } from '../../simulator/index.js'
import { isRecord } from '../../simulator/checks.js'
import { cleanUp } from '../support/cleanup.js'
import { APP_ID, simulator, threadOn } from '../support/simulated.js'

const CALLBACK = {
  appId: APP_ID,
  token: 'callback',
  encodingAesKey: 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG',
}

/** A pool of two threads that run the handler. */
function poolFor(sim: Simulator): Piscina<Task, Reply> {
  const pool = new Piscina<Task, Reply>({
    filename: new URL('../../workers/handler-dev.mjs', import.meta.url).href,
    workerData: { ...CALLBACK, baseUrl: sim.url },
    minThreads: 2,
    maxThreads: 2,
    atomics: 'disabled',
  })
  cleanUp(() => pool.destroy())
  return pool
}

function messageTask(xml: string): Task {
  const crypto = new MessageCrypto(CALLBACK)
  const encrypted = crypto.encrypt(xml)
  const [timestamp, nonce] = ['1409735669', '1320562132']
  return {
    kind: 'message',
    query: { timestamp, nonce, msg_signature: crypto.signature(timestamp, nonce, encrypted) },
    body: `<xml><Encrypt><![CDATA[${encrypted}]]></Encrypt></xml>`,
  }
}

const HELLO = messageTask(
  '<xml><FromUserName>o1</FromUserName><MsgType>text</MsgType><Content>hi</Content></xml>',
)

/** The API calls of a simulator, as `path errcode`. */
function apiCalls(sim: Simulator): string[] {
  const calls: string[] = []
  sim.on('call', ({ kind, path, errcode = 0 }: CallEvent) => {
    if (kind === 'api' || kind === 'ticket') calls.push(`${path} ${errcode}`)
  })
  return calls
}

test('a message is answered by a call that carries the token of the pool’s thread', async () => {
  const sim = await simulator()
  await threadOn(sim)
  const calls = apiCalls(sim)
  const pool = poolFor(sim)
  expect(await pool.run(HELLO)).toEqual({ status: 200, contentType: 'text/plain', body: 'success' })
  expect(calls).toEqual(['/cgi-bin/message/custom/send 0'])
  expect(sim.counters().tokenCalls).toBe(1)
})

test('a page is signed with the account’s ticket', async () => {
  const sim = await simulator()
  const tokens = await threadOn(sim)
  const url = 'https://shop.example/page?a=b#part'
  const { status, body } = await poolFor(sim).run({ kind: 'page', url, openid: 'o1' })
  expect(status).toBe(200)
  const reply: unknown = JSON.parse(body)
  if (!isRecord(reply) || !isRecord(reply.config)) throw new Error(`no config in ${body}`)
  const { appId, timestamp, nonceStr, signature } = reply.config
  const asked = await fetch(
    `${sim.url}/cgi-bin/ticket/getticket?type=jsapi&access_token=${encodeURIComponent(tokens.get())}`,
  )
  const answer: unknown = await asked.json()
  if (!isRecord(answer)) throw new Error('no ticket')
  const ticket = String(answer.ticket)
  const expected = jsSdkSignature({ ticket, nonce: String(nonceStr), timestamp: Number(timestamp), url })
  expect({ appId, signature }).toEqual({ appId: APP_ID, signature: expected })
})

test('a refused token is replaced, and the message answered', async () => {
  const sim = await simulator()
  await threadOn(sim)
  const pool = poolFor(sim)
  expect(await pool.run(HELLO)).toMatchObject({ status: 200 })
  sim.revoke(APP_ID)
  const calls = apiCalls(sim)
  expect(await pool.run(HELLO)).toMatchObject({ status: 200, body: 'success' })
  expect(calls).toEqual(['/cgi-bin/message/custom/send 40001', '/cgi-bin/message/custom/send 0'])
})

test('a forged message is refused with 403, and WeChat is not called', async () => {
  const sim = await simulator()
  await threadOn(sim)
  const calls = apiCalls(sim)
  const forged: Task = {
    ...HELLO,
    kind: 'message',
    query: { msg_signature: '0', timestamp: '1', nonce: '1' },
    body: '',
  }
  expect(await poolFor(sim).run(forged)).toMatchObject({ status: 403 })
  expect(calls).toEqual([])
})

test('what WeChat refuses for another reason is a 502 that names the errcode and no token', async () => {
  const sim = await simulator()
  const tokens = await threadOn(sim)
  sim.inject({ on: 'api', then: { errcode: 48001 } })
  const reply = await poolFor(sim).run(HELLO)
  expect(reply.status).toBe(502)
  expect(reply.body).toContain('errcode 48001')
  expect(reply.body).not.toContain(tokens.get())
})

test('without a live token the answer is 503 at once', async () => {
  const sim = await simulator({ expiresIn: 1 })
  const tokens = await threadOn(sim)
  const pool = poolFor(sim)
  expect(await pool.run(HELLO)).toMatchObject({ status: 200 })
  sim.inject({ then: { errcode: -1 } })
  await once(tokens, 'expired')
  const reply = await pool.run(HELLO)
  expect(reply.status).toBe(503)
  expect(reply.body).toContain('token')
})
