/**
 * What comes and goes with every request, in no order. A `Set` of it would keep what has gone: V8 ties each table of a set to the one
 * that follows it, so that one table that has become old keeps all that came after, and what they held, until old memory is collected.
 */
export class Bag<T> {
  readonly #members: T[] = []

  get size(): number {
    return this.#members.length
  }

  add(member: T): void {
    this.#members.push(member)
  }

  /** Takes out a member, if it is there. It is looked for among the last first: most do not stay for long. */
  delete(member: T): void {
    const members = this.#members
    const at = members.lastIndexOf(member)
    if (at < 0) return
    const last = members.pop()
    if (last !== undefined && at < members.length) members[at] = last
  }

  /** The members as they are now: they may go while they are told something. */
  members(): readonly T[] {
    return this.#members.slice()
  }
}
