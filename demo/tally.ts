/** What the demo counts; its last line. */
export interface Tally {
  /** New tokens after the first. */
  refreshes: number
  /** Reads of a token by request handlers. */
  reads: number
  /** Reads that found no valid token. */
  stalled: number
  /** Tokens that WeChat refused. */
  refused: number
  /** Reads that gave a token beyond its expiry. */
  expiredReads: number
}

export const newTally = (): Tally => ({ refreshes: 0, reads: 0, stalled: 0, refused: 0, expiredReads: 0 })
