import { describe } from 'vitest'
import { rotationTests } from '../support/fleet-rotations.js'

describe('16 processes on the classic endpoint with one store: sqlite', () => {
  rotationTests('sqlite')
})
