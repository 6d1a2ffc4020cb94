import { Child } from './child.js'
import type { FinishedRun } from './figures.js'
import { isDone } from './messages.js'
import type { LoadTestOptions } from './options.js'
import type { Progress } from './progress.js'
import { run } from './run.js'
import type { PlannedRun } from './schedule.js'

/** ms; each server's load before samples are taken. Short measurements have a short one. */
const WARM_UP = 2_000

/** Runs them all, one after the other, against one simulated WeChat. Rejects when `signal` is aborted. */
export async function runAll(
  runs: readonly PlannedRun[],
  { seconds, rounds, connections }: LoadTestOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<FinishedRun[]> {
  const measure = (seconds * 1_000) / rounds
  const warmUp = Math.min(WARM_UP, measure)
  const onProgress = (requestsPerSecond: number): void => progress.update(requestsPerSecond)
  const load = { connections, warmUp, measure, signal, onProgress }
  const wechat = new Child('./simulator-process.ts', 'the simulator')
  const kill = (): void => wechat.kill()
  signal.addEventListener('abort', kill)
  try {
    // One account for each run, and one for the warm-up.
    await wechat.ask({ type: 'start', accounts: runs.length + 1 }, isDone)
    progress.say(`warm-up, then ${runs.length} runs of ${(measure / 1_000).toFixed(1)} s`)
    await run('constant', wechat, load)
    const finished: FinishedRun[] = []
    for (const planned of runs) {
      progress.begin(planned)
      const result = await run(planned.mode, wechat, load)
      for (const error of result.errors) progress.say(`  ${planned.mode}: ${error}`)
      finished.push({ ...planned, result })
    }
    progress.clear()
    return finished
  } finally {
    signal.removeEventListener('abort', kill)
    await wechat.stop()
  }
}
