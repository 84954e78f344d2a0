// Up to this many, comparing with each is cheaper than a set, and beyond it would be quadratic.
const listedMax = 24

/** The names of one object. */
export class UniqueNames {
  readonly #written = new Names()
  #folded: Names | undefined

  /** False where the name is there already. */
  add(name: string): boolean {
    return this.#written.add(name)
  }

  /** The same for the names with their case folded. */
  addFolded(folded: string): boolean {
    this.#folded ??= new Names()
    return this.#folded.add(folded)
  }
}

class Names {
  readonly #listed: string[] = []
  #set: Set<string> | undefined

  add(name: string): boolean {
    if (this.#set !== undefined) return addNew(this.#set, name)
    if (this.#listed.includes(name)) return false
    this.#listed.push(name)
    if (this.#listed.length > listedMax) this.#set = new Set(this.#listed)
    return true
  }
}

function addNew(set: Set<string>, name: string): boolean {
  const size = set.size
  return set.add(name).size > size
}
