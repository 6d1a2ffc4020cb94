/** The account of a run, and the times that fit the simulator's short lives. Plain data; durations are ms. */
export interface Account {
  readonly appId: string
  readonly appSecret: string
  readonly baseUrl: string
  readonly refreshAhead: number
  readonly retry: { readonly minDelay: number; readonly maxDelay: number }
  readonly timeout: number
}
