/** The smallest of `values` that a share `q` of them do not pass. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? NaN
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)

/** A distribution of milliseconds, as figures of a row. */
export function spread(values: readonly number[]): Record<string, number> {
  return {
    n: values.length,
    'median ms': median(values),
    'p90 ms': quantile(values, 0.9),
    'p99 ms': quantile(values, 0.99),
    'max ms': quantile(values, 1),
  }
}
