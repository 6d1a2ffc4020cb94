import { once } from 'node:events'
import { type Simulator, SimulatorInputError, startSimulator } from '../simulator/index.js'
import { callLine, startText } from './simulate-text.js'
import { type SimulateOptions, flagOf, help, readArguments } from './simulate-options.js'
import { UsageError } from './usage.js'

/** `token-thread simulate`: a simulator that runs until it is told to stop. */
export async function run(args: readonly string[]): Promise<number> {
  const options = readArguments(args)
  if (options === 'help') {
    console.log(help)
    return 0
  }
  let simulator: Simulator
  try {
    simulator = await start(options)
  } catch (error) {
    if (error instanceof SimulatorInputError) {
      throw new UsageError(error.message.replace(`simulator: ${error.field}`, flagOf(error.field)))
    }
    if (!isPortInUse(error)) throw error
    console.error(`token-thread: ${error.message.replace('simulator: ', '')}, for instance --port 0`)
    return 1
  }
  console.log(startText(simulator.url, options))
  simulator.on('call', (call) => console.log(callLine(call, options)))
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  await simulator.close()
  return 0
}

async function start({
  appId,
  appSecret,
  port,
  expiresIn,
  delay,
  gzip,
}: SimulateOptions): Promise<Simulator> {
  const accounts = [{ appId, appSecret }]
  const simulator = await startSimulator({
    accounts,
    port,
    gzip,
    ...(expiresIn !== undefined && { expiresIn }),
  })
  try {
    if (delay !== undefined) simulator.inject({ delay })
  } catch (error) {
    await simulator.close()
    throw error
  }
  return simulator
}

const isPortInUse = (error: unknown): error is Error =>
  error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
