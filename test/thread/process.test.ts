import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { program } from '../support/program.js'
import { APP_ID, APP_SECRET, simulator } from '../support/simulated.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const GOOD_END = { code: 0, signal: null, stderr: '' }

describe('the process', () => {
  it('lives while start waits, and ends though its TokenThread was forgotten', async () => {
    const sim = await simulator()
    sim.inject({ times: 1, delay: 300 })
    const ended = await program(
      sim,
      `const tokens = await TokenThread.start(options); console.log(tokens.get().length > 50)`,
    )
    expect(ended).toEqual({ ...GOOD_END, stdout: 'true\n' })
  })

  it('ends at once after a constructor that nobody waits for', async () => {
    const sim = await simulator()
    expect(await program(sim, `new TokenThread(options)`)).toEqual({ ...GOOD_END, stdout: '' })
  })

  it('lives while ready, reject and refresh are pending, one after the other', async () => {
    const sim = await simulator()
    const ended = await program(
      sim,
      `const tokens = new TokenThread(options)
       const first = await tokens.ready()
       await fetch(new URL('/_control/revoke', options.baseUrl), { method: 'POST', body: JSON.stringify({ appId: options.appId }) })
       const second = await tokens.reject(first.accessToken)
       const third = await tokens.refresh()
       console.log(second.generation > first.generation, third.generation > second.generation)`,
    )
    expect(ended).toEqual({ ...GOOD_END, stdout: 'true true\n' })
  })

  it('is not ended by a reject that nobody awaits: its failure is an event', async () => {
    const sim = await simulator()
    const ended = await program(
      sim,
      `const tokens = await TokenThread.start({ ...options, timeout: 100 })
       await fetch(new URL('/_control/inject', options.baseUrl), { method: 'POST', body: JSON.stringify({ then: 'reset' }) })
       const heard = new Promise((resolve) => tokens.on('failure', ({ code }) => code === 'ERR_TOKEN_REFUSED' && resolve(code)))
       const alive = setInterval(() => {}, 1000)
       tokens.reject(tokens.get())
       console.log(await heard)
       clearInterval(alive)`,
    )
    expect(ended).toEqual({ ...GOOD_END, stdout: 'ERR_TOKEN_REFUSED\n' })
  })

  it('starts no thread without an AppID, and says how to give one', async () => {
    const sim = await simulator()
    const ended = await program(sim, `await TokenThread.start({ ...options, appId: undefined })`)
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain('appId is missing: pass { appId } or set WECHAT_APPID')
    expect(ended.stderr).toContain("code: 'ERR_OPTIONS'")
    expect(sim.counters().tokenCalls).toBe(0)
  })

  it('takes the account from its environment, and does not hand that to the thread', async () => {
    const sim = await simulator()
    const env = { WECHAT_APPID: APP_ID, WECHAT_APPSECRET: APP_SECRET, NODE_DEBUG: 'undici' }
    const ended = await program(
      sim,
      `const { appId, appSecret, ...rest } = options
       const tokens = await TokenThread.start(rest)
       console.log(tokens.status().state)
       await tokens.close()`,
      env,
    )
    expect(ended.code).toBe(0)
    expect(ended.stdout).toBe('valid\n')
    // NODE_DEBUG shows URLs and bodies of whoever sees it: the thread does not.
    expect(ended.stderr).not.toContain(APP_SECRET)
  })

  it('logs to stderr by default: stdout belongs to the program', async () => {
    const sim = await simulator()
    const ended = await program(
      sim,
      `const { logger, ...rest } = options
       const tokens = await TokenThread.start(rest)
       await tokens.close()`,
    )
    expect(ended.stdout).toBe('')
    const line: unknown = JSON.parse(ended.stderr.trim())
    expect(line).toMatchObject({ name: 'token-thread', level: 30, account: APP_ID, validFor: 7200 })
    expect(ended.stderr).not.toContain(sim.current(APP_ID).stable?.accessToken)
  })

  it('sees a new token in a read while its event loop is blocked, and hears of it afterwards', async () => {
    const sim = await simulator()
    const ended = await program(
      sim,
      `const tokens = await TokenThread.start(options)
       await new Promise((resolve) => setImmediate(resolve))
       const old = tokens.get()
       const events = []
       tokens.on('token', () => events.push('token'))
       await fetch(new URL('/_control/revoke', options.baseUrl), { method: 'POST', body: JSON.stringify({ appId: options.appId }) })
       tokens.reject(old)
       const until = Date.now() + 20_000
       while (tokens.get() === old && Date.now() < until);
       console.log(tokens.get() !== old, events.length)
       await new Promise((resolve) => setImmediate(resolve))
       console.log(events.length)`,
    )
    expect(ended).toEqual({ ...GOOD_END, stdout: 'true 0\n1\n' })
  })

  it('refreshes on time though its event loop is blocked all the while', async () => {
    const sim = await simulator({ expiresIn: 2, renewalWindow: 1, overlap: 1 })
    const ended = await program(
      sim,
      `const tokens = await TokenThread.start(options)
       const seen = new Set()
       let expired = 0
       const until = Date.now() + 60_000
       while (seen.size < 4 && Date.now() < until) {
         const { expiresAt, generation } = tokens.current ?? {}
         if (!(expiresAt > Date.now() - 5)) expired += 1
         else seen.add(generation)
       }
       console.log(seen.size, expired)
       await tokens.close()`,
    )
    expect(ended).toEqual({ ...GOOD_END, stdout: '4 0\n' })
  })

  it('hears of a close in between', async () => {
    const sim = await simulator()
    const ended = await program(
      sim,
      `const tokens = new TokenThread(options)
       const ready = tokens.ready().then(() => console.log('resolved'), ({ code }) => console.log(code))
       await tokens.close()
       await ready`,
    )
    expect(ended).toEqual({ ...GOOD_END, stdout: 'ERR_CLOSED\n' })
  })
})

describe('neighbours on the classic endpoint', () => {
  it('are warned of: cluster, PM2, a second TokenThread of the same AppID', async () => {
    const sim = await simulator()
    const script = (between: string): string =>
      `const logger = { info() {}, error() {}, warn: (fields, message) => console.log(message) }
       const classic = { ...options, endpoint: 'classic', logger }
       const tokens = await TokenThread.start(classic)
       ${between}
       await tokens.close()`
    const alone = await program(sim, script(''))
    expect(alone).toEqual({ ...GOOD_END, stdout: '' })
    const twice = await program(sim, script('await (await TokenThread.start(classic)).close()'))
    expect(twice.stdout).toMatch(/another refresher of the same AppID.*revoke each other/)
    const file = `{ kind: 'file', path: '${join(temporaryFolder(), 'tokens.json')}' }`
    const sharing = await program(sim, script('').replace('logger }', `logger, store: ${file} }`), {
      NODE_APP_INSTANCE: '0',
      pm_id: '3',
    })
    expect(sharing).toEqual({ ...GOOD_END, stdout: '' })
    const pm2 = await program(sim, script(''), { NODE_APP_INSTANCE: '0', pm_id: '3' })
    expect(pm2.stdout).toMatch(/PM2.*revoke each other/)
    const clustered = await program(
      sim,
      `import cluster from 'node:cluster'
       if (cluster.isPrimary) {
         cluster.setupPrimary({ exec: '${new URL('../fixtures/cluster-worker.mjs', import.meta.url).pathname}', args: [JSON.stringify(options)], execArgv: ['--import', '${import.meta.resolve('tsx')}'] })
         cluster.fork()
         await once(cluster, 'exit')
       }`,
    )
    expect(clustered.stdout).toMatch(/node:cluster.*revoke each other/)
  })
})
