const BAR = 24

/** The live display: lines that stay, and below them, on a terminal, one that is always redrawn. */
export class Screen {
  readonly #began = Date.now()
  readonly #isTerminal = process.stdout.isTTY
  #status = ''

  /** A line with the time since the start. */
  line(text: string): void {
    const at = ((Date.now() - this.#began) / 1000).toFixed(1).padStart(5)
    this.#write(`${at} s  ${text}\n`)
  }

  text(text: string): void {
    this.#write(`${text}\n`)
  }

  /** How long the token still lives, and what was served. */
  status(left: number, life: number, served: number): void {
    const filled = Math.max(0, Math.min(BAR, Math.round((left / life) * BAR)))
    this.#status = `  token [${'█'.repeat(filled)}${'·'.repeat(BAR - filled)}] ${(left / 1000).toFixed(1)} s left   ${served} requests served`
    if (this.#isTerminal) process.stdout.write(`\r\x1b[K${this.#status}`)
  }

  /** Without a terminal the status is a line now and then. */
  tick(): void {
    if (!this.#isTerminal && this.#status !== '') this.line(this.#status.trim())
  }

  end(): void {
    if (this.#isTerminal) process.stdout.write('\r\x1b[K')
    this.#status = ''
  }

  #write(text: string): void {
    process.stdout.write(this.#isTerminal ? `\r\x1b[K${text}${this.#status}` : text)
  }
}
