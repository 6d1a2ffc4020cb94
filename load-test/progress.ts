import type { PlannedRun } from './schedule.js'

/** Where the display goes: a terminal, or what is not one. */
export interface Output {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** What is going on: one line that changes on a terminal, else a line for each run. */
export class Progress {
  readonly #output: Output
  readonly #runs: number
  readonly #rounds: number
  #begun = 0
  #line = ''

  constructor(output: Output, runs: number, rounds: number) {
    this.#output = output
    this.#runs = runs
    this.#rounds = rounds
  }

  say(text: string): void {
    this.clear()
    this.#output.write(`${text}\n`)
  }

  begin({ mode, round }: PlannedRun): void {
    this.#begun += 1
    this.#line = `[${this.#begun}/${this.#runs}] round ${round + 1} of ${this.#rounds}: ${mode}`
    if (!this.#output.isTTY) this.#output.write(`${this.#line}\n`)
    else this.update(undefined)
  }

  /** Requests/s of the last moment; undefined while the server starts. */
  update(requestsPerSecond: number | undefined): void {
    if (!this.#output.isTTY || this.#line === '') return
    const now = requestsPerSecond === undefined ? 'starts ...' : `${Math.round(requestsPerSecond)} requests/s`
    this.#output.write(`\r\u001b[2K${this.#line}, ${now}`)
  }

  /** Takes the changing line away. */
  clear(): void {
    if (this.#output.isTTY) this.#output.write('\r\u001b[2K')
  }
}
