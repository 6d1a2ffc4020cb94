import { HERD } from './herd-of.js'
import type { Aim, Report, Row } from './report.js'
import { isProblem, runSubject } from './run-subject.js'
import { tokenThread } from './subjects/token-thread.js'
import { subjects } from './subjects.js'

/** How often a thousand callers at once make each subject fetch. */
export async function herd(): Promise<Report> {
  const rows: Row[] = []
  const aims: Aim[] = []
  for (const subject of subjects) {
    const found = await runSubject('herd', subject)
    if (isProblem(found)) {
      rows.push({ name: `${subject.name}: ${found.problem}`, figures: {} })
      continue
    }
    rows.push({ name: subject.name, figures: found })
    if (subject !== tokenThread) continue
    for (const [what, fetches] of Object.entries(found)) {
      if (what.endsWith(': fetches')) aims.push({ what, ratio: fetches, limit: 1, unit: 'fetches' })
    }
  }
  const title = `${HERD} first reads at once, then ${HERD} requests at once whose token the API refuses`
  return { bench: 'herd', tables: [{ title, rows }], aims }
}
