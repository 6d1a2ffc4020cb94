import { mkdirSync, readFileSync, renameSync, watch, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createClient } from '@redis/client'
import pg from 'pg'
import { type Kind, machineNow } from './fleet-sheet.js'

/** The least that it can cost to tell others: publish and subscribe, NOTIFY and LISTEN, a file and its folder's watch. */

const CHANNEL = 'bench_fleet'

/** As many listeners; each calls back with what was said. */
export async function listenBare(
  kind: Kind,
  at: string,
  count: number,
  heard: (what: string) => void,
): Promise<void> {
  for (let i = 0; i < count; i++) await LISTEN[kind](at, heard)
}

const LISTEN: Readonly<Record<Kind, (at: string, heard: (what: string) => void) => Promise<unknown>>> = {
  async redis(url, heard) {
    const client = createClient({ url })
    await client.connect()
    await client.subscribe(CHANNEL, heard)
  },
  async postgres(connectionString, heard) {
    const client = new pg.Client({ connectionString })
    client.on('notification', ({ payload = '' }) => heard(payload))
    await client.connect()
    await client.query(`listen ${CHANNEL}`)
  },
  file(path, heard) {
    const file = bareFile(path)
    mkdirSync(dirname(file), { recursive: true })
    let last = ''
    watch(dirname(file), () => {
      const text = textOf(file)
      if (text === last || text === '') return
      last = text
      heard(text)
    })
    return Promise.resolve()
  },
}

export interface BarePublisher {
  /** Tells them; when it began and what was said. */
  tell(): Promise<{ readonly at: number; readonly what: string }>
  close(): Promise<unknown>
}

export async function barePublisher(kind: Kind, at: string): Promise<BarePublisher> {
  const { send, close } = await PUBLISH[kind](at)
  let said = 0
  return {
    async tell() {
      const what = `bare-${(said += 1)}`
      const at = machineNow()
      await send(what)
      return { at, what }
    },
    close,
  }
}

interface Sender {
  readonly send: (what: string) => unknown
  readonly close: () => Promise<unknown>
}

const PUBLISH: Readonly<Record<Kind, (at: string) => Promise<Sender>>> = {
  async redis(url) {
    const client = createClient({ url })
    await client.connect()
    return { send: (what) => client.publish(CHANNEL, what), close: () => client.close() }
  },
  async postgres(connectionString) {
    const client = new pg.Client({ connectionString })
    await client.connect()
    const send = (what: string): unknown => client.query('select pg_notify($1, $2)', [CHANNEL, what])
    return { send, close: () => client.end() }
  },
  file(path) {
    const file = bareFile(path)
    const send = (what: string): void => {
      writeFileSync(`${file}.next`, what)
      renameSync(`${file}.next`, file)
    }
    return Promise.resolve({ send, close: () => Promise.resolve() })
  },
}

/** In a folder of its own: what happens to the store's file is not heard. */
const bareFile = (path: string): string => join(dirname(path), 'bare', 'file')

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
