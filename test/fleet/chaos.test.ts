import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'
import { cleanUp } from '../support/cleanup.js'
import { chaosTest } from '../support/fleet-chaos.js'
import { faultsOf, type Victim } from '../support/fleet-faults.js'
import { postgresServer } from '../support/postgres-server.js'
import { describeWith } from '../support/servers.js'
import { tcpProxy } from '../support/tcp-proxy.js'

describeWith('postgres-program', 'processes on a PostgreSQL that fails as they do', () => {
  chaosTest('classic', postgres)
})

describe('processes on a file that are stopped and killed', () => {
  chaosTest('classic', file)
})

async function postgres(): Promise<Victim> {
  const server = await postgresServer()
  cleanUp(() => server.remove())
  const proxy = await tcpProxy(server.port)
  cleanUp(() => proxy.remove())
  const url = new URL(server.url)
  url.port = String(proxy.port)
  return {
    store: { kind: 'postgres', url: url.href },
    faults: faultsOf(server, proxy),
  }
}

function file(): Promise<Victim> {
  const folder = mkdtempSync(join(tmpdir(), 'token-thread-fleet-'))
  cleanUp(() => rmSync(folder, { recursive: true, force: true }))
  return Promise.resolve({ store: { kind: 'file', path: join(folder, 'tokens.json') }, faults: {} })
}
