/** The answers of a run. */
export interface Samples {
  /** How long samples were taken, ms. */
  readonly ms: number
  /** When each answer was there, ms from the first moment. */
  readonly endedAt: readonly number[]
  /** How long each took, ms. */
  readonly latency: readonly number[]
}

/** The smallest value that a share `p` (0 to 1) of all values does not pass; `sorted` ascends. NaN where there is none. */
export function percentile(sorted: readonly number[], p: number): number {
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)] ?? NaN
}

export function ascending(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b)
}

/** The answers of one moment of a run. */
export interface Bucket {
  /** Its beginning and its end, ms from the first moment. */
  readonly from: number
  readonly to: number
  readonly answers: number
  /** Latencies, ms; undefined where nothing was answered. */
  readonly p50: number | undefined
  readonly p99: number | undefined
}

/** Latency over time, in steps of `width` ms. */
export function timeline({ ms, endedAt, latency }: Samples, width: number): Bucket[] {
  const buckets: number[][] = Array.from({ length: Math.ceil(ms / width) }, () => [])
  endedAt.forEach((at, i) => buckets[Math.floor(at / width)]?.push(latency[i] ?? NaN))
  return buckets.map((bucket, i) => {
    const sorted = ascending(bucket)
    const some = sorted.length > 0
    return {
      from: i * width,
      to: Math.min(ms, (i + 1) * width),
      answers: sorted.length,
      p50: some ? percentile(sorted, 0.5) : undefined,
      p99: some ? percentile(sorted, 0.99) : undefined,
    }
  })
}
