import { describe, expect, it, vi } from 'vitest'
import { LaterTurn } from '../../src/later-turn.js'
import { uncaughtIn } from '../support/uncaught.js'

describe('a later turn', () => {
  it('comes in order, not within this one, and a throw keeps nobody from hearing', async () => {
    const later = new LaterTurn()
    const heard: number[] = []
    const thrown = await uncaughtIn(async () => {
      later.push(() => heard.push(1))
      later.push(() => {
        throw new Error('by a listener')
      })
      later.push(() => heard.push(2))
      later.push(() => later.push(() => heard.push(3)))
      expect(heard).toEqual([])
      await vi.waitFor(() => expect(heard).toEqual([1, 2, 3]))
    })
    expect(thrown).toEqual(['Error: by a listener'])
  })
})
