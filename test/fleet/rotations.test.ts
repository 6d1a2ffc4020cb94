import { describe } from 'vitest'
import { rotationTests } from '../support/fleet-rotations.js'
import type { SharedKind } from '../support/fleet-stores.js'

const KINDS: readonly SharedKind[] = ['file', 'redis', 'postgres', 'mysql']

describe.each(KINDS)('16 processes on the classic endpoint with one store: %s', rotationTests)
