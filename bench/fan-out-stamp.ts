/** One scale for all threads of a process, ms. */
const now = (): number => performance.timeOrigin + performance.now()

/** A token that says when it was made. */
export const stamp = (): string => `made-${now()}`

/** ms from then to now. */
export const age = (accessToken: string): number => now() - Number(accessToken.slice('made-'.length))
