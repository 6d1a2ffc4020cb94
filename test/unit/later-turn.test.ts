import { describe, expect, it, vi } from 'vitest'
import { LaterTurn } from '../../src/later-turn.js'

describe('a later turn', () => {
  it('comes in order, not within this one, and a throw keeps nobody from hearing', async () => {
    const thrown: unknown[] = []
    const previous = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', (error) => thrown.push(error))
    const later = new LaterTurn()
    const heard: number[] = []
    later.push(() => heard.push(1))
    later.push(() => {
      throw new Error('by a listener')
    })
    later.push(() => heard.push(2))
    later.push(() => later.push(() => heard.push(3)))
    expect(heard).toEqual([])
    await vi.waitFor(() => expect(heard).toEqual([1, 2, 3]))
    process.removeAllListeners('uncaughtException')
    for (const listener of previous) process.on('uncaughtException', listener)
    expect(thrown.map(String)).toEqual(['Error: by a listener'])
  })
})
