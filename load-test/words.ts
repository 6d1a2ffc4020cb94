import { percent } from './aims.js'
import type { Figures } from './figures.js'
import type { Mode } from './options.js'

/** What each mode is, in a line. */
export const MODE_TEXT: Readonly<Record<Mode, string>> = {
  thread: 'This library: a thread refreshes, every thread reads its own copy.',
  timer: 'setTimeout on the main thread, set anew after each refresh.',
  cron: 'A job each second on the main thread refreshes the token that ends soon.',
  lazy: 'Fetched when it has expired and a request needs it, by one call for all who wait.',
  constant: 'A token that never changes: the limit.',
}

export function noiseLine({ noise }: Figures): string {
  if (!noise) return 'noise: not known, for constant did not run'
  return `noise: the two halves of constant are ${percent(noise.rps)} apart in requests/s, ${percent(noise.p999)} in p99.9`
}
