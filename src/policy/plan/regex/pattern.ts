import { programOf } from './program.ts'
import { createSearch } from './search.ts'
import type { Marks, Search } from './search.ts'
import { parsePattern } from './syntax.ts'
import type { Syntax } from './syntax.ts'

/** A pattern that can be searched for. */
export interface Pattern {
  /** The name of each group; the whole match is the first one. */
  readonly groups: readonly (string | undefined)[]
  /** The matches one after the other, at most as many, which may be Infinity. Groups are told where they are wanted. */
  matches(text: string, countMax: number, withGroups: boolean): readonly Marks[]
}

export interface Patterns {
  /** Undefined where it is no pattern. */
  compile(text: string): Pattern | undefined
  readonly isValid: (text: string) => boolean
}

interface Known {
  readonly syntax: Syntax | undefined
  /** What reading it has taken: it takes the same each time, wherever it comes from. */
  readonly steps: number
  plain?: Search
  marked?: Search
}

/** Enough for what rules say and data brings; patterns that are made of input come and go. */
const knownMax = 100
const knownSizeMax = 10_000

/** An instruction that is written is a fraction of a step. */
const instructionsPerStep = 8

export function createPatterns(spend: (steps: number) => void): Patterns {
  const known = new Map<string, Known>()

  function read(text: string): Known {
    const before = known.get(text)
    if (before !== undefined) {
      spend(before.steps)
      return before
    }
    let steps = 0
    const syntax = parsePattern(text, (more) => {
      steps += more
      spend(more)
    })
    const fresh: Known = { syntax, steps }
    const [oldest] = known.keys()
    if (known.size >= knownMax && oldest !== undefined) known.delete(oldest)
    if ((syntax?.node.size ?? 0) + text.length <= knownSizeMax) known.set(text, fresh)
    return fresh
  }

  function searchFor(each: Known, { node, groups }: Syntax, withGroups: boolean): Search {
    spend(1 + Math.floor(node.size / instructionsPerStep))
    const fresh = (slots: number): Search => createSearch(programOf(node, slots), spend)
    if (withGroups) return (each.marked ??= fresh(groups.length * 2))
    return (each.plain ??= fresh(2))
  }

  return {
    isValid: (text) => read(text).syntax !== undefined,
    compile(text) {
      const each = read(text)
      const { syntax } = each
      if (syntax === undefined) return undefined
      return {
        groups: syntax.groups,
        matches: (among, countMax, withGroups) =>
          matchesIn(searchFor(each, syntax, withGroups), among, countMax),
      }
    },
  }
}

/**
 * One match after the other, as Go finds them: an empty one is none where the one before ends, and the next is looked for behind the next
 * letter.
 */
function matchesIn(search: Search, text: string, countMax: number): readonly Marks[] {
  const matches: Marks[] = []
  let place = 0
  let lastEnd = -1
  while (place <= text.length && matches.length < countMax) {
    const marks = search(text, place)
    const [begin, end] = marks ?? []
    if (marks === undefined || begin === undefined || end === undefined) break
    if (end > place || begin !== lastEnd) matches.push(marks)
    if (end > place) place = end
    else place += (text.codePointAt(place) ?? 0) > 0xffff ? 2 : 1
    lastEnd = end
  }
  return matches
}
