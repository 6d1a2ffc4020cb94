import { HERD } from './herd-of.js'
import type { Aim, Report, Row } from './report.js'
import { figuresOf, type Found, rowOf, runSubject } from './run-subject.js'
import { tokenThread } from './subjects/token-thread.js'
import { subjects } from './subjects.js'

/** How often a thousand callers at once make each subject fetch. */
export async function herd(): Promise<Report> {
  const rows: Row[] = []
  let ours: Found = {}
  for (const subject of subjects) {
    const found = await runSubject('herd', subject)
    rows.push(rowOf(subject, found))
    if (subject === tokenThread) ours = found
  }
  const title = `${HERD} first reads at once, then ${HERD} requests at once whose token the API refuses`
  const figure = figuresOf(ours)
  const aims: Aim[] = [
    ...['first reads: fetches', 'refused requests: fetches', 'reject(): fetches'].map((what) => ({
      what,
      ratio: figure(what),
      limit: 1,
      unit: 'fetches',
    })),
    { what: 'first reads that failed', ratio: figure('first reads: failed'), limit: 0, unit: 'reads' },
    {
      what: 'refused requests not healed',
      ratio: figure('refused requests: not healed'),
      limit: 0,
      unit: 'requests',
    },
  ]
  return { bench: 'herd', tables: [{ title, rows }], aims }
}
