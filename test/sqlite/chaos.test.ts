import { describe } from 'vitest'
import { chaosTest } from '../support/fleet-chaos.js'
import { fileVictim } from '../support/fleet-faults.js'

describe('processes on an SQLite file that are stopped and killed', () => {
  chaosTest('classic', () => fileVictim('sqlite'))
})
