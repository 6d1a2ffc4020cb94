import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, inject, test } from 'vitest'
import { startSimulator } from '../../simulator/index.js'
import { cleanUp } from '../support/cleanup.js'
import { childEnv, node } from './child.js'
import { repository } from './installed.js'

const { app } = inject('installed')

const ACCOUNT = { appId: 'wx-of-the-readme', appSecret: 'its-secret' }

interface Program {
  readonly name: string
  readonly code: string
  /** What its comments say that it prints. */
  readonly prints: string
}

const programs: Program[] = ['README.md', 'README.zh-CN.md'].flatMap((document) =>
  [...readFileSync(join(repository, document), 'utf8').matchAll(/^```js run\n([^]*?)^```$/gm)].map(
    ([, code = ''], i) => ({
      name: `${document} ${i + 1}`,
      code,
      prints: [...code.matchAll(/^ *console\.log\(.*\) \/\/ (.*)$/gm)]
        .map(([, line = '']) => `${line}\n`)
        .join(''),
    }),
  ),
)
const isServer = ({ code }: Program): boolean => code.includes('createServer')

async function environment(): Promise<Record<string, string>> {
  const sim = await startSimulator({ accounts: [ACCOUNT] })
  cleanUp(() => sim.close())
  return { WECHAT_BASE_URL: sim.url, WECHAT_APPID: ACCOUNT.appId, WECHAT_APPSECRET: ACCOUNT.appSecret }
}

function written({ name, code }: Program): string {
  const file = `${name.replaceAll(' ', '-')}.mjs`
  writeFileSync(join(app, file), code)
  return file
}

test('each document has its programs', () => {
  expect(programs).toHaveLength(12)
  expect(programs.filter(isServer)).toHaveLength(2)
})

test.each(programs.filter((program) => !isServer(program)))(
  '$name runs and prints what it says',
  async (program) => {
    const { exitCode, stdout, stderr } = await node([written(program)], {
      cwd: app,
      env: await environment(),
    })
    expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 0, stdout: program.prints, stderr: '' })
    expect(program.prints).not.toBe('')
  },
)

test.each(programs.filter(isServer))('$name serves, and drains at SIGTERM', async (program) => {
  const env = childEnv({ ...(await environment()), PORT: '0' })
  const child = spawn(process.execPath, [written(program)], {
    cwd: app,
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  cleanUp(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  const listening: unknown[] = await once(createInterface(child.stdout), 'line')
  const port = /^listening (\d+)$/.exec(String(listening[0]))?.[1]
  const answer = await fetch(`http://127.0.0.1:${port ?? ''}/`, { headers: { connection: 'close' } })
  expect(await answer.json()).toEqual({ ip_list: ['127.0.0.1'] })
  child.kill('SIGTERM')
  expect(await exited).toEqual([0, null])
})
