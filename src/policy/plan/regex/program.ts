import type { LetterClass } from './letter-class.ts'
import type { Assertion, Node } from './tree.ts'

/** What an instruction does. */
export const does = {
  match: 0,
  /** Takes the letter that its argument is. */
  letter: 1,
  /** Takes a letter of the class with that number. */
  class: 2,
  /** Goes on where the assertion with that number holds. */
  assert: 3,
  /** Writes the place into the slot with that number. */
  mark: 4,
  /** Goes on at `next`, and if that comes to nothing, at its argument. */
  either: 5,
} as const

export const assertions: readonly Assertion[] = [
  'text-begin',
  'text-end',
  'line-begin',
  'line-end',
  'word',
  'no-word',
]

/** A pattern as instructions, one a row of three columns. */
export interface Program {
  readonly does: Uint8Array
  readonly next: Int32Array
  readonly argument: Int32Array
  readonly classes: readonly LetterClass[]
  readonly start: number
  /** The marks of a match: where it begins and ends, then where each group does. */
  readonly slots: number
  /** Whether it can match nowhere but at the begin of a text. */
  readonly isAnchored: boolean
}

/** Rows while they are written. There may be millions: columns take a fraction of what objects would. */
function createColumns(): {
  readonly actions: readonly number[]
  readonly following: number[]
  readonly written: number[]
  readonly add: (action: number, next: number, argument: number) => number
} {
  const [actions, following, written]: [number[], number[], number[]] = [[], [], []]
  return {
    actions,
    following,
    written,
    add(action, next, argument) {
      following.push(next)
      written.push(argument)
      return actions.push(action) - 1
    },
  }
}

/**
 * A program of a pattern, written from its end to its begin, so that what follows is known. The marks of groups are left out where there
 * are slots for the match alone. What a choice prefers, also where it takes no letter, is as in Go's `regexp`.
 */
export function programOf(node: Node, slots: number): Program {
  const { actions, following, written, add } = createColumns()
  const classes: LetterClass[] = []

  function either(first: number, second: number, isGreedy: boolean): number {
    return isGreedy ? add(does.either, first, second) : add(does.either, second, first)
  }

  /** One or more: the way back stands behind each. */
  function more(each: Node, next: number, isGreedy: boolean): number {
    const fork = either(next, next, isGreedy)
    const begin = write(each, fork)
    const back = isGreedy ? following : written
    back[fork] = begin
    return begin
  }

  function repeated(repeat: Extract<Node, { readonly kind: 'repeat' }>, next: number): number {
    const { node: each, min, max, isGreedy } = repeat
    let at = next
    if (max === Infinity) {
      at = more(each, next, isGreedy)
      if (min === 0) at = either(at, next, isGreedy)
    } else {
      for (let count = min; count < max; count += 1) at = either(write(each, at), next, isGreedy)
    }
    for (let count = max === Infinity ? 1 : 0; count < min; count += 1) at = write(each, at)
    return at
  }

  function write(given: Node, next: number): number {
    switch (given.kind) {
      case 'letter':
        return add(does.letter, next, given.code)
      case 'class':
        return add(does.class, next, classes.push(given.letters) - 1)
      case 'assertion':
        return add(does.assert, next, assertions.indexOf(given.is))
      case 'group': {
        if (slots === 2) return write(given.node, next)
        const end = add(does.mark, next, given.index * 2 + 1)
        return add(does.mark, write(given.node, end), given.index * 2)
      }
      case 'sequence':
        return given.nodes.reduceRight((at, each) => write(each, at), next)
      case 'choice':
        return given.nodes
          .map((each) => write(each, next))
          .reduceRight((second, first) => either(first, second, true))
      case 'repeat':
        return repeated(given, next)
    }
    return given satisfies never
  }

  const start = write(node, add(does.match, 0, 0))
  const first = actions[start] === does.assert ? assertions[written[start] ?? -1] : undefined
  return {
    does: Uint8Array.from(actions),
    next: Int32Array.from(following),
    argument: Int32Array.from(written),
    classes,
    start,
    slots,
    isAnchored: first === 'text-begin',
  }
}
