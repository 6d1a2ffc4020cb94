/** A binary heap: the first by `isSooner` is at hand, and comes out first. */
export class Heap<T> {
  readonly #isSooner: (a: T, b: T) => boolean
  #items: T[] = []

  constructor(isSooner: (a: T, b: T) => boolean) {
    this.#isSooner = isSooner
  }

  get first(): T | undefined {
    return this.#items[0]
  }

  get size(): number {
    return this.#items.length
  }

  push(item: T): void {
    const items = this.#items
    let i = items.push(item) - 1
    while (i > 0) {
      const up = (i - 1) >> 1
      const parent = items[up]
      if (parent === undefined || !this.#isSooner(item, parent)) break
      items[i] = parent
      i = up
    }
    items[i] = item
  }

  /** Takes out the first. */
  pop(): void {
    const items = this.#items
    const last = items.pop()
    if (last === undefined || items.length === 0) return
    let i = 0
    for (;;) {
      const left = 2 * i + 1
      const a = items[left]
      if (a === undefined) break
      const b = items[left + 1]
      const [child, item] = b !== undefined && this.#isSooner(b, a) ? [left + 1, b] : [left, a]
      if (!this.#isSooner(item, last)) break
      items[i] = item
      i = child
    }
    items[i] = last
  }

  /** Takes out all, in no order. */
  drain(): readonly T[] {
    const all = this.#items
    this.#items = []
    return all
  }
}
