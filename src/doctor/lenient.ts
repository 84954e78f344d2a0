/*
 * Objects of the cluster, read by whoever looks for what is odd in them: a member that is missing or of another type reads as nothing,
 * because one object that cannot be read must not hide the others.
 */

type Members = Readonly<Record<string, unknown>>

export function membersOf(value: unknown): Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Members)
    : {}
}

/** The value at a path of members, whatever it is. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((inner, name) => {
    const members = membersOf(inner)
    return Object.hasOwn(members, name) ? members[name] : undefined
  }, value)
}

export function textAt(value: unknown, ...path: readonly string[]): string {
  const found = at(value, ...path)
  return typeof found === 'string' ? found : ''
}

export function listAt(value: unknown, ...path: readonly string[]): readonly unknown[] {
  const found = at(value, ...path)
  return Array.isArray(found) ? (found as readonly unknown[]) : []
}

export function textsAt(value: unknown, ...path: readonly string[]): readonly string[] {
  return listAt(value, ...path).filter((entry) => typeof entry === 'string')
}

/** The text members of an object whose names pass. */
export function textMapAt(
  value: unknown,
  path: readonly string[],
  passes: (name: string) => boolean,
): Readonly<Record<string, string>> {
  const entries = Object.entries(membersOf(at(value, ...path))).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string' && passes(entry[0]),
  )
  return Object.fromEntries(entries)
}

/** Milliseconds, or undefined for what is no time. */
export function timeAt(value: unknown, ...path: readonly string[]): number | undefined {
  const time = Date.parse(textAt(value, ...path))
  return Number.isNaN(time) ? undefined : time
}

/** `v1.37.0+suffix` → 37; undefined for what is no version of Kubernetes. */
export function minorOf(version: string): number | undefined {
  const match = /^v?1\.(\d{1,4})(?:\D|$)/.exec(version)
  return match === null ? undefined : Number(match[1])
}

/** The value of a JSON text; undefined for what is none. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
