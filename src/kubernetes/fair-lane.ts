/** Whatever stands in one group, or in the groups within it. */
interface Group {
  /** In order of arrival. */
  readonly keys: Set<string>
  /** None is empty. The order of the map is the order of turns. */
  readonly within: Map<string, Group>
}

/**
 * Keys in order of arrival within a group; the groups take turns, and the groups within a group do, so that a storm in one delays only
 * itself.
 */
export class FairLane {
  readonly #groupsOf: (key: string) => readonly string[]
  readonly #all = emptyGroup()
  /** The groups of each key as it was added, from the outermost: what they are made of may be gone before the key is. */
  readonly #pathOf = new Map<string, readonly string[]>()

  constructor(groupsOf: (key: string) => readonly string[]) {
    this.#groupsOf = groupsOf
  }

  get size(): number {
    return this.#pathOf.size
  }

  has(key: string): boolean {
    return this.#pathOf.has(key)
  }

  add(key: string): void {
    if (this.#pathOf.has(key)) return
    const path = this.#groupsOf(key)
    let group = this.#all
    for (const name of path) {
      const inner = group.within.get(name) ?? emptyGroup()
      group.within.set(name, inner)
      group = inner
    }
    group.keys.add(key)
    this.#pathOf.set(key, path)
  }

  /** The next key, taken out; undefined when there is none. */
  take(): string | undefined {
    const key = takeFrom(this.#all)
    if (key !== undefined) this.#pathOf.delete(key)
    return key
  }

  delete(key: string): void {
    const path = this.#pathOf.get(key)
    if (path === undefined) return
    deleteFrom(this.#all, path, key)
    this.#pathOf.delete(key)
  }

  clear(): void {
    this.#all.keys.clear()
    this.#all.within.clear()
    this.#pathOf.clear()
  }
}

function emptyGroup(): Group {
  return { keys: new Set(), within: new Map() }
}

function isEmpty(group: Group): boolean {
  return group.keys.size === 0 && group.within.size === 0
}

function takeFrom({ keys, within }: Group): string | undefined {
  for (const key of keys) {
    keys.delete(key)
    return key
  }
  for (const [name, inner] of within) {
    const key = takeFrom(inner)
    // Behind all the others before its next turn.
    within.delete(name)
    if (!isEmpty(inner)) within.set(name, inner)
    return key
  }
  return undefined
}

function deleteFrom(group: Group, [name, ...rest]: readonly string[], key: string): void {
  if (name === undefined) {
    group.keys.delete(key)
    return
  }
  const inner = group.within.get(name)
  if (inner === undefined) return
  deleteFrom(inner, rest, key)
  if (isEmpty(inner)) group.within.delete(name)
}
