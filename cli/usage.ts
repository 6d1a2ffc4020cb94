/** The command line can't be understood: the message goes to stderr, the exit code is 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** What a subcommand's file exports. */
export interface Command {
  /** Runs until it is done; resolves to the process's exit code. */
  run(args: readonly string[]): Promise<number>
}

const isParseArgsError = (error: Error): boolean =>
  'code' in error && typeof error.code === 'string' && error.code.startsWith('ERR_PARSE_ARGS_')

/** Whether the user can mend this by another command line, so that a stack trace would only be in the way. */
export const isUsageError = (error: unknown): error is Error =>
  error instanceof UsageError || (error instanceof Error && isParseArgsError(error))
