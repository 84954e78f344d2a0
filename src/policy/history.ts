import { CountersignError, quoted } from '../errors.ts'
import type { Obligation } from './decision.ts'
import type { InputText } from './input.ts'

/** How long a fact counts, and how many of the newest are kept. */
export interface FactLimits {
  readonly seconds: number
  readonly most: number
}

/** What a policy lets its rules have kept of what they permit, by the name of the fact, in the order of their names. */
export type DeclaredFacts = ReadonlyMap<string, FactLimits>

/** When each was kept, in milliseconds since the epoch, oldest first. */
export type KeptFacts = ReadonlyMap<string, readonly number[]>

export const nothingKept: KeptFacts = new Map()

/** As long as limits of rate count. */
const secondsMax = 86_400
const mostMax = 64
const factsMax = 16
/** Of all facts of one identity: some kilobytes, and some more of each input. */
const keptMax = 256

/** Reads `data.history`; undefined where it declares nothing. A bundle may have no schemas of its data, so all is held here. Throws `policy/data`. */
export function parseFacts(data: Readonly<Record<string, unknown>>): DeclaredFacts | undefined {
  const { history } = data
  if (history === undefined) return undefined
  const facts = Object.entries(objectOf(history, 'history'))
  if (facts.length === 0) return undefined
  if (facts.length > factsMax) {
    throw refused('history', `has too many facts, want=..${factsMax} got=${facts.length}`)
  }
  const declared = new Map(
    facts
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, fact]) => [name, readFact(name, fact)]),
  )
  const kept = [...declared.values()].reduce((sum, { most }) => sum + most, 0)
  if (kept > keptMax) throw refused('history', `keeps too much, want=..${keptMax} got=${kept}`)
  return declared
}

function readFact(name: string, fact: unknown): FactLimits {
  const place = `history.${quoted(name)}`
  if (!/^[a-z][a-z0-9_-]{0,63}$/.test(name)) throw refused(place, 'is no stable name')
  const { seconds, most, ...more } = objectOf(fact, place)
  const [unknown] = Object.keys(more)
  if (unknown !== undefined) throw refused(place, `has an unknown member, got=${quoted(unknown)}`)
  return {
    seconds: countOf(seconds, `${place}.seconds`, secondsMax),
    most: countOf(most, `${place}.most`, mostMax),
  }
}

function objectOf(value: unknown, place: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>
  }
  throw refused(place, 'is of the wrong type, want=object')
}

function countOf(value: unknown, place: string, max: number): number {
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= max) {
    return value as number
  }
  throw refused(place, `is out of range, want=1..${max}`)
}

function refused(place: string, fault: string): CountersignError {
  return new CountersignError('policy/data', `data.${place} ${fault}`, {
    hint: 'what may be kept is in docs/POLICY.md, Bounded history',
  })
}

/**
 * What counts at this moment: of each declared fact what its window still has, and so many of the newest. A clock that was put back makes
 * nothing count less: what lies ahead is kept until its window has passed.
 */
export function countedAt(declared: DeclaredFacts, kept: KeptFacts, at: number): KeptFacts {
  return new Map(
    [...declared].map(([name, { seconds, most }]) => {
      const times = kept.get(name) ?? []
      return [name, times.filter((time) => time + seconds * 1000 > at).slice(-most)]
    }),
  )
}

/** What counts, as rules are told of it. */
export function formatHistory(counted: KeptFacts): InputText {
  const facts = [...counted].map(([name, times]) => {
    const told = times.map((time) => `"${new Date(time).toISOString()}"`)
    return `"${name}":[${told.join(',')}]`
  })
  return `{${facts.join(',')}}` as InputText
}

/** The names that a permit wants kept; nothing where it wants any kept that is not declared. */
export function namesToKeep(
  obligations: readonly Obligation[],
  declared: DeclaredFacts,
): readonly string[] {
  const wanted = obligations.filter(isToKeep)
  const isKnown = ({ id, properties }: Obligation): boolean =>
    declared.has(id) && Object.keys(properties).length === 0
  return wanted.every(isKnown) ? wanted.map(({ id }) => id) : []
}

export function isToKeep({ type }: Obligation): boolean {
  return type === 'remember'
}

/** What is kept from now on, and until when any of it counts. */
export function keepNow(
  declared: DeclaredFacts,
  counted: KeptFacts,
  { names, at }: { readonly names: readonly string[]; readonly at: number },
): { readonly facts: KeptFacts; readonly until: number } {
  const facts = new Map(counted)
  let until = at
  for (const [name, { seconds, most }] of declared) {
    const before = counted.get(name) ?? []
    // In the order of time, where a clock was put back, too: the newest are the last.
    const times = names.includes(name)
      ? [...before, at].toSorted((a, b) => a - b).slice(-most)
      : before
    if (times.length === 0) facts.delete(name)
    else facts.set(name, times)
    until = Math.max(until, (times.at(-1) ?? 0) + seconds * 1000)
  }
  return { facts, until }
}
