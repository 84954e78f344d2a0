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

interface Row {
  readonly does: number
  next: number
  argument: number
}

/**
 * A program of a pattern, written from its end to its begin, so that what follows is known. The marks of groups are left out where there
 * are slots for the match alone. What a choice prefers, also where it takes no letter, is as in Go's `regexp`.
 */
export function programOf(node: Node, slots: number): Program {
  const rows: Row[] = []
  const classes: LetterClass[] = []
  const add = (row: Row): number => rows.push(row) - 1

  function either(first: number, second: number, isGreedy: boolean): number {
    const [next, argument] = isGreedy ? [first, second] : [second, first]
    return add({ does: does.either, next, argument })
  }

  /** One or more: the way back stands behind each. */
  function more(each: Node, next: number, isGreedy: boolean): number {
    const fork = { does: does.either, next, argument: next }
    const begin = write(each, add(fork))
    if (isGreedy) fork.next = begin
    else fork.argument = begin
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
        return add({ does: does.letter, next, argument: given.code })
      case 'class':
        return add({ does: does.class, next, argument: classes.push(given.letters) - 1 })
      case 'assertion':
        return add({ does: does.assert, next, argument: assertions.indexOf(given.is) })
      case 'group': {
        if (slots === 2) return write(given.node, next)
        const end = add({ does: does.mark, next, argument: given.index * 2 + 1 })
        return add({ does: does.mark, next: write(given.node, end), argument: given.index * 2 })
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

  const start = write(node, add({ does: does.match, next: 0, argument: 0 }))
  const first = rows[start]
  return {
    does: Uint8Array.from(rows, (row) => row.does),
    next: Int32Array.from(rows, (row) => row.next),
    argument: Int32Array.from(rows, (row) => row.argument),
    classes,
    start,
    slots,
    isAnchored: first?.does === does.assert && assertions[first.argument] === 'text-begin',
  }
}
