import { assertions, does } from './program.ts'
import type { Program } from './program.ts'
import type { Assertion } from './tree.ts'

/** Where a match and its groups begin and end, in UTF-16 units: two slots for each, negative ones for a group that took no part. */
export type Marks = readonly number[]

/** Ways that a search has gone so far, the one that is preferred first: the instruction where each is, and its marks. */
interface Ways {
  count: number
  readonly at: Int32Array
  readonly marks: Marks[]
}

/** As many looks at an instruction are one step. */
const looksPerStep = 8

/** One letter may lead through all groups of a pattern, each with the marks of all: what is looked at is paid for once it is so much. */
const looksUnpaidMax = 10_000

/** What the start of a search takes, whatever is searched. */
const searchSteps = 2

/** The leftmost match that begins at `from` or later; of those the one that the pattern prefers. */
export type Search = (text: string, from: number) => Marks | undefined

/**
 * All ways through a program are gone side by side, letter by letter, and no instruction is looked at twice at one place: the work is
 * bounded by text and program, whatever both are. `spend` is told of it as it is done, and throws to end it.
 */
export function createSearch(program: Program, spend: (steps: number) => void): Search {
  const { does: actions, next: following, start, slots, isAnchored } = program
  const size = actions.length
  const walk = createWalk(program, spend)
  const noMarks: Marks = Array.from({ length: slots }, () => -1)
  let ways = waysOf(size)
  let later = waysOf(size)
  let found: Marks | undefined

  /** The ways that are left behind a letter; a match ends those that are preferred less. */
  function step(text: string, place: number, letter: number, next: number): void {
    later.count = 0
    for (let index = 0; index < ways.count; index += 1) {
      const at = ways.at[index] as number
      const marks = ways.marks[index] as Marks
      if (actions[at] === does.match) {
        found = walk.marked(marks, 1, place)
        break
      }
      if (walk.takes(at, letter)) walk.follow(later, following[at] as number, marks, text, next)
    }
    ;[ways, later] = [later, ways]
  }

  return (text, from) => {
    spend(searchSteps + (size >>> 5))
    walk.begin()
    ways.count = 0
    found = undefined
    for (let place = from; ;) {
      if (found === undefined && !(isAnchored && place > 0)) {
        walk.follow(ways, start, walk.marked(noMarks, 0, place), text, place)
      }
      const letter = text.codePointAt(place) ?? -1
      const next = place + (letter > 0xffff ? 2 : 1)
      step(text, place, letter, next)
      walk.pay()
      const isOver = ways.count === 0 && (found !== undefined || isAnchored)
      if (letter < 0 || isOver) return found
      place = next
    }
  }
}

/** How one instruction leads to the next ones, and how many were looked at. */
interface Walk {
  begin(): void
  /** Adds what can be come to from here without a letter: ways in order, each instruction once. */
  follow(ways: Ways, at: number, marks: Marks, text: string, place: number): void
  takes(at: number, letter: number): boolean
  marked(marks: Marks, slot: number, place: number): Marks
  /** Spends the steps of what was looked at since the last time. */
  pay(): void
}

function createWalk(program: Program, spend: (steps: number) => void): Walk {
  const { does: actions, next: following, argument, classes, slots } = program
  const seenAt = new Int32Array(actions.length)
  const open = waysOf(actions.length)
  let looks = 0

  function pay(): void {
    const steps = Math.floor((looks + 1) / looksPerStep)
    looks = (looks + 1) % looksPerStep
    spend(steps)
  }

  function marked(marks: Marks, slot: number, place: number): Marks {
    looks += slots
    if (looks >= looksUnpaidMax) pay()
    const copy = marks.slice()
    copy[slot] = place
    return copy
  }

  return {
    pay,
    marked,
    begin() {
      seenAt.fill(0)
      open.count = 0
      looks = 0
    },
    follow(ways, at, marks, text, place) {
      push(open, at, marks)
      while (open.count > 0) {
        open.count -= 1
        let current = open.at[open.count] as number
        let own = open.marks[open.count] as Marks
        for (;;) {
          looks += 1
          if (seenAt[current] === place + 1) break
          seenAt[current] = place + 1
          const action = actions[current]
          const value = argument[current] as number
          if (action === does.either) push(open, value, own)
          else if (action === does.mark) own = marked(own, value, place)
          else if (action !== does.assert) {
            push(ways, current, own)
            break
          } else if (!holds[assertions[value] as Assertion](text, place)) break
          current = following[current] as number
        }
      }
    },
    takes(at, letter) {
      looks += 1
      if (actions[at] === does.letter) return argument[at] === letter
      const letters = classes[argument[at] as number]
      if (letters === undefined || letter < 0) return false
      looks += letters.weight
      return letters.has(letter)
    },
  }
}

function waysOf(size: number): Ways {
  return { count: 0, at: new Int32Array(size), marks: [] }
}

function push(ways: Ways, at: number, marks: Marks): void {
  ways.at[ways.count] = at
  ways.marks[ways.count] = marks
  ways.count += 1
}

const holds: Readonly<Record<Assertion, (text: string, place: number) => boolean>> = {
  'text-begin': (_, place) => place === 0,
  'text-end': (text, place) => place === text.length,
  'line-begin': (text, place) => place === 0 || text[place - 1] === '\n',
  'line-end': (text, place) => place === text.length || text[place] === '\n',
  word: isBorder,
  'no-word': (text, place) => !isBorder(text, place),
}

function isBorder(text: string, place: number): boolean {
  return isWord(text, place - 1) !== isWord(text, place)
}

function isWord(text: string, place: number): boolean {
  return /^\w/.test(text[place] ?? '')
}
