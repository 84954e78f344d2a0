/** Keys in order of arrival within a group; the groups take turns, so that a storm in one delays only itself. */
export class FairLane {
  readonly #groupOf: (key: string) => string
  /** No group is empty. The order of the map is the order of turns. */
  readonly #groups = new Map<string, Set<string>>()
  #size = 0

  constructor(groupOf: (key: string) => string) {
    this.#groupOf = groupOf
  }

  get size(): number {
    return this.#size
  }

  has(key: string): boolean {
    return this.#groups.get(this.#groupOf(key))?.has(key) === true
  }

  add(key: string): void {
    const name = this.#groupOf(key)
    const group = this.#groups.get(name) ?? new Set()
    if (group.has(key)) return
    group.add(key)
    this.#groups.set(name, group)
    this.#size += 1
  }

  /** The next key, taken out; undefined when there is none. */
  take(): string | undefined {
    for (const [name, group] of this.#groups) {
      for (const key of group) {
        // Behind all the others before its next turn.
        this.#groups.delete(name)
        group.delete(key)
        if (group.size > 0) this.#groups.set(name, group)
        this.#size -= 1
        return key
      }
    }
    return undefined
  }

  delete(key: string): void {
    const name = this.#groupOf(key)
    const group = this.#groups.get(name)
    if (group?.delete(key) !== true) return
    if (group.size === 0) this.#groups.delete(name)
    this.#size -= 1
  }

  clear(): void {
    this.#groups.clear()
    this.#size = 0
  }
}
