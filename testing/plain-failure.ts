import type { Failure, TokenThreadError } from '../src/errors.js'

/** An error's own fields as `status()` shows them: what is undefined is left out. */
export function plainFailure(error: TokenThreadError): Omit<Failure, 'cause'> {
  const { code, message, retryable, errcode, rid, retryAt, account } = error
  return {
    code,
    message,
    retryable,
    ...(errcode !== undefined && { errcode }),
    ...(rid !== undefined && { rid }),
    ...(retryAt !== undefined && { retryAt }),
    ...(account !== undefined && { account }),
  }
}
