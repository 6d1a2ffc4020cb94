import { expect, it } from 'vitest'
import { Alarm } from '../../src/alarm.js'
import { readConfig } from '../../src/config.js'
import { LaterTurn } from '../../src/later-turn.js'
import type { ToRefresher } from '../../src/protocol.js'
import { TokenSource } from '../../src/token-source.js'
import { VirtualClock } from '../support/virtual-clock.js'

it('asks the thread to look at its clocks at most once a floor, however often a token is missing', () => {
  const clock = new VirtualClock()
  const sent: ToRefresher[] = []
  const [account] = readConfig({ appId: 'wx1', appSecret: 's', logger: false }, {}).accounts
  const source = new TokenSource(account, {
    clock,
    alarm: new Alarm(clock),
    later: new LaterTurn(),
    drain: () => undefined,
    send: (message) => sent.push(message),
    requestSide: () => undefined,
    threadError: () => undefined,
  })
  for (let i = 0; i < 1_000; i++) expect(source.current).toBeUndefined()
  expect(sent).toEqual([{ type: 'look', account: 'wx1' }])
  clock.block(999)
  expect(source.current).toBeUndefined()
  expect(sent).toHaveLength(1)
  clock.block(1)
  expect(source.current).toBeUndefined()
  expect(sent).toHaveLength(2)
})
