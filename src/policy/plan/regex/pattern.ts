import { programOf } from './program.ts'
import type { Program } from './program.ts'
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
  plain?: Program
  marked?: Program
}

/** Enough for what rules say and data brings; patterns that are made of input come and go. */
const knownMax = 100
const knownSizeMax = 10_000
/** Of all together: a letter may be a class, which takes more than a thousand octets. */
const knownCharactersMax = 10_000

/** An instruction that is written is a fraction of a step. */
const instructionsPerStep = 8

/** Reads patterns of a syntax, that of regular expressions unless told. */
export function createPatterns(
  spend: (steps: number) => void,
  parse: (text: string, spend: (steps: number) => void) => Syntax | undefined = parsePattern,
): Patterns {
  const known = new Map<string, Known>()
  let knownCharacters = 0

  function keep(text: string, fresh: Known): void {
    if ((fresh.syntax?.node.size ?? 0) + text.length > knownSizeMax) return
    for (const oldest of known.keys()) {
      if (known.size < knownMax && knownCharacters + text.length <= knownCharactersMax) break
      known.delete(oldest)
      knownCharacters -= oldest.length
    }
    known.set(text, fresh)
    knownCharacters += text.length
  }

  function read(text: string): Known {
    const before = known.get(text)
    if (before !== undefined) {
      spend(before.steps)
      return before
    }
    let steps = 0
    const pay = (more: number): void => {
      steps += more
      spend(more)
    }
    pay(text.length >>> 5)
    const own = ownText(text)
    const syntax = parse(own, pay)
    const fresh: Known = { syntax, steps }
    keep(own, fresh)
    return fresh
  }

  /** A search is made anew each time: it holds what it has come by, and of one that ended early nothing else does. */
  function searchFor(each: Known, { node, groups }: Syntax, withGroups: boolean): Search {
    spend(1 + Math.floor(node.size / instructionsPerStep))
    const program = withGroups
      ? (each.marked ??= programOf(node, groups.length * 2))
      : (each.plain ??= programOf(node, 2))
    return createSearch(program, spend)
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

/** A part of a text would keep the whole of it, where it is kept. */
function ownText(text: string): string {
  if (text.length > knownCharactersMax) return text
  return Buffer.from(text, 'utf16le').toString('utf16le')
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
