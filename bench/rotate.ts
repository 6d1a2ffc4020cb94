import type { Aim, Report, Row } from './report.js'
import { ROTATIONS, STALLED, TOKEN_CALL } from './rotate-of.js'
import { figuresOf, type Found, rowOf, runSubject } from './run-subject.js'
import { tokenThread } from './subjects/token-thread.js'
import { withConstant } from './subjects.js'

/** What a caller who reads every millisecond notices of rotations, with each subject in turn. */
export async function rotate(): Promise<Report> {
  const rows: Row[] = []
  let ours: Found = {}
  for (const subject of withConstant) {
    const found = await runSubject('rotate', subject)
    rows.push(rowOf(subject, found))
    if (subject === tokenThread) ours = found
  }
  const title = `a read every ms through ${ROTATIONS} rotations, one a second; a token call takes ${TOKEN_CALL} ms`
  const figure = figuresOf(ours)
  const aims: Aim[] = [
    {
      what: `reads that waited over ${STALLED} ms`,
      ratio: figure(`waited over ${STALLED} ms`),
      limit: 0,
      unit: 'reads',
    },
    { what: 'reads that failed', ratio: figure('failed'), limit: 0, unit: 'reads' },
    {
      what: 'rotations missing',
      ratio: ROTATIONS - figure('rotations'),
      limit: 0,
      unit: 'rotations',
    },
    { what: 'fetches a rotation', ratio: figure('fetches a rotation'), limit: 1, unit: 'fetches' },
  ]
  return { bench: 'rotate', tables: [{ title, rows }], aims }
}
