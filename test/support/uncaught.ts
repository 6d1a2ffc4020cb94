/** What is thrown with nobody to catch it, while `run` lasts: the test is its last resort, not the test runner. */
export async function uncaughtIn(run: () => Promise<void>): Promise<string[]> {
  const thrown: string[] = []
  const previous = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', (error) => thrown.push(String(error)))
  try {
    await run()
  } finally {
    process.removeAllListeners('uncaughtException')
    for (const listener of previous) process.on('uncaughtException', listener)
  }
  return thrown
}
