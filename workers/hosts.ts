/** The base URLs of one account in the order to try them: the last good one first, after a failure the next one. */
export class Hosts {
  readonly #urls: readonly string[]
  #first = 0

  constructor(urls: readonly string[]) {
    this.#urls = urls
  }

  order(): readonly string[] {
    return [...this.#urls.slice(this.#first), ...this.#urls.slice(0, this.#first)]
  }

  good(url: string): void {
    this.#first = Math.max(0, this.#urls.indexOf(url))
  }

  /** A call that was sent to `url` failed: the next one begins at the host behind it. */
  failed(url: string): void {
    this.#first = (Math.max(0, this.#urls.indexOf(url)) + 1) % this.#urls.length
  }
}
