import { execFile } from 'node:child_process'
import { delimiter, dirname } from 'node:path'

/** How a child process ended. */
export interface Ended {
  readonly exitCode: number | string
  readonly stdout: string
  readonly stderr: string
}

/** The environment of a child: `node` is this very Node, also for npm and npx. */
export function childEnv(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  // What npm and vitest set for their own children is not for these.
  const inherited = Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_(lifecycle|package|command|execpath)|NODE_(OPTIONS|ENV)|VITEST|INIT_CWD|WECHAT_)/.test(name),
  )
  const path = `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ''}`
  return { ...Object.fromEntries(inherited), PATH: path, NO_COLOR: '1', ...more }
}

/** Runs a program to its end, which must come within a minute. */
export function run(
  command: string,
  args: readonly string[],
  { cwd, env }: { cwd: string; env?: Readonly<Record<string, string>> },
): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { cwd, env: childEnv(env), timeout: 60_000, maxBuffer: 2 ** 24 }
    execFile(command, args, options, (error, stdout, stderr) => {
      resolve({ exitCode: error ? (error.code ?? error.signal ?? 'killed') : 0, stdout, stderr })
    })
  })
}

/** Runs a script with this Node. */
export function node(
  args: readonly string[],
  options: { cwd: string; env?: Readonly<Record<string, string>> },
): Promise<Ended> {
  return run(process.execPath, args, options)
}

/** As `run`, for steps that the tests need: throws with the output unless it exits with 0. */
export async function mustRun(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { exitCode, stdout, stderr } = await run(command, args, { cwd })
  if (exitCode !== 0)
    throw new Error(`${command} ${args.join(' ')} ended with ${exitCode}:\n${stdout}${stderr}`)
  return stdout
}
