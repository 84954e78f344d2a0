/** What is due at a time, the earliest first: a binary heap. */
export class DueHeap<T extends { readonly dueAt: number }> {
  readonly #items: T[] = []

  peek(): T | undefined {
    return this.#items[0]
  }

  push(item: T): void {
    const items = this.#items
    let at = items.length
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = items[above] as T
      if (parent.dueAt <= item.dueAt) break
      items[at] = parent
      at = above
    }
    items[at] = item
  }

  pop(): T | undefined {
    const items = this.#items
    const [first] = items
    const last = items.pop()
    if (last === undefined || items.length === 0) return first
    let at = 0
    for (;;) {
      const child = this.#earlierChild(at)
      if (child === undefined || (items[child] as T).dueAt >= last.dueAt) break
      items[at] = items[child] as T
      at = child
    }
    items[at] = last
    return first
  }

  clear(): void {
    this.#items.length = 0
  }

  #earlierChild(at: number): number | undefined {
    const left = this.#items[2 * at + 1]
    const right = this.#items[2 * at + 2]
    if (left === undefined) return undefined
    return right !== undefined && right.dueAt < left.dueAt ? 2 * at + 2 : 2 * at + 1
  }
}
