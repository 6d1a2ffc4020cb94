import type { Aim, Report, Row } from './report.js'
import { ROTATIONS, STALLED, TOKEN_CALL } from './rotate-of.js'
import { isProblem, runSubject } from './run-subject.js'
import { tokenThread } from './subjects/token-thread.js'
import { withConstant } from './subjects.js'

/** What a caller who reads every millisecond notices of rotations, with each subject in turn. */
export async function rotate(): Promise<Report> {
  const rows: Row[] = []
  const aims: Aim[] = []
  for (const subject of withConstant) {
    const found = await runSubject('rotate', subject)
    if (isProblem(found)) {
      rows.push({ name: `${subject.name}: ${found.problem}`, figures: {} })
      continue
    }
    rows.push({ name: subject.name, figures: found })
    if (subject !== tokenThread) continue
    const waited = found[`waited over ${STALLED} ms`] ?? NaN
    const fetches = found['fetches a rotation'] ?? NaN
    aims.push({ what: `reads that waited over ${STALLED} ms`, ratio: waited, limit: 0, unit: 'reads' })
    aims.push({ what: 'fetches a rotation', ratio: fetches, limit: 1, unit: 'fetches' })
  }
  const title = `a read every ms through ${ROTATIONS} rotations, one a second; a token call takes ${TOKEN_CALL} ms`
  return { bench: 'rotate', tables: [{ title, rows }], aims }
}
