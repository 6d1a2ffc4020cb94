/** Where the server's request handlers get their token. */
export interface TokenHolder {
  /** At once, or a promise where the request has to wait. */
  get(): string | Promise<string>
  close(): unknown
}
