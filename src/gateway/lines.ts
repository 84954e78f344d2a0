import type { Account } from '../shares.ts'

/**
 * Those who wait for something, one line for each identity. Tenants take turns, within a tenant its namespaces do, and within those
 * identities do: more identities are no more turns.
 */
export interface Lines<T extends Waiting> {
  /** Puts it at the end of its own line, and says how long that was. */
  add(waiting: T): number
  delete(waiting: T): void
  /** The first whose parties all may have a turn; they have their next one after everybody else. It stays in its line. */
  next(mayHave?: (level: number, name: string) => boolean): T | undefined
}

export interface Waiting {
  readonly account: Account
}

/** Those who wait below one name, in the order in which they have their turns; none is empty. */
type Turns<T> = Map<string, Turns<T> | Set<T>>

export function createLines<T extends Waiting>(): Lines<T> {
  const tenants: Turns<T> = new Map()

  function nextOf(
    turns: Turns<T>,
    level: number,
    mayHave: (level: number, name: string) => boolean,
  ): T | undefined {
    for (const [name, below] of turns) {
      if (!mayHave(level, name)) continue
      const next = below instanceof Set ? firstOf(below) : nextOf(below, level + 1, mayHave)
      if (next === undefined) continue
      turns.delete(name)
      turns.set(name, below)
      return next
    }
    return undefined
  }
  return {
    add(waiting) {
      const line = lineOf(tenants, waiting.account)
      const before = line.size
      line.add(waiting)
      return before
    },
    delete: (waiting) => leaveLine(tenants, waiting),
    next: (mayHave = () => true) => nextOf(tenants, 0, mayHave),
  }
}

function firstOf<T>(line: Set<T>): T | undefined {
  return line.values().next().value
}

function lineOf<T>(tenants: Turns<T>, [tenant, namespace, identity]: Account): Set<T> {
  const namespaces = below(tenants, tenant, () => new Map())
  const identities = below(namespaces as Turns<T>, namespace, () => new Map())
  return below(identities as Turns<T>, identity, () => new Set()) as Set<T>
}

function below<T>(turns: Turns<T>, name: string, make: () => Turns<T> | Set<T>): Turns<T> | Set<T> {
  const known = turns.get(name)
  if (known !== undefined) return known
  const made = make()
  turns.set(name, made)
  return made
}

function leaveLine<T extends Waiting>(tenants: Turns<T>, waiting: T): void {
  const [tenant, namespace, identity] = waiting.account
  const namespaces = tenants.get(tenant) as Turns<T> | undefined
  const identities = namespaces?.get(namespace) as Turns<T> | undefined
  const line = identities?.get(identity) as Set<T> | undefined
  line?.delete(waiting)
  if (line?.size === 0) identities?.delete(identity)
  if (identities?.size === 0) namespaces?.delete(namespace)
  if (namespaces?.size === 0) tenants.delete(tenant)
}
