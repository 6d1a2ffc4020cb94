import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

/** ms; what a child may take for an answer. */
const PATIENCE = 30_000

/** Another process of the load test, which answers what it is asked, one question at a time. */
export class Child {
  readonly #name: string
  readonly #process: ChildProcess

  /** `file`: a TypeScript module beside this one. It ends when this process does. */
  constructor(file: string, name: string) {
    this.#name = name
    this.#process = fork(new URL(file, import.meta.url), {
      execArgv: ['--import', import.meta.resolve('tsx')],
      // Ctrl-C goes to all of the terminal's processes: children end when they are told, or with their parent.
      detached: true,
    })
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null
  }

  /** Sends a question and resolves with the answer. */
  async ask<T>(question: object, isAnswer: (answer: unknown) => answer is T): Promise<T> {
    if (!this.running) throw new Error(`${this.#name} has ended`)
    const over = new AbortController()
    const signal = AbortSignal.any([over.signal, AbortSignal.timeout(PATIENCE)])
    try {
      const answered = once(this.#process, 'message', { signal })
      const exited = once(this.#process, 'exit', { signal }).then(([code]) => {
        throw new Error(`${this.#name} has ended (exit code ${String(code)})`)
      })
      // Where it can't be sent, the child's exit says so.
      this.#process.send(question, () => undefined)
      const answers: unknown[] = await Promise.race([answered, exited])
      const answer = answers[0]
      if (!isAnswer(answer)) throw new Error(`${this.#name} said something else: ${JSON.stringify(answer)}`)
      return answer
    } catch (cause) {
      if (signal.aborted) throw new Error(`${this.#name} has not answered within ${PATIENCE} ms`, { cause })
      throw cause
    } finally {
      over.abort()
    }
  }

  /** Resolves when it has ended. */
  async stop(): Promise<void> {
    if (!this.running) return
    const exited = once(this.#process, 'exit')
    this.kill()
    await exited
  }

  /** At once, and without waiting. */
  kill(): void {
    this.#process.kill('SIGKILL')
  }
}
