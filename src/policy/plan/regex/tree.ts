import type { LetterClass } from './letter-class.ts'

/** What a place has to be like; it takes no letter. */
export type Assertion = 'text-begin' | 'text-end' | 'line-begin' | 'line-end' | 'word' | 'no-word'

/** What is known of a part of a pattern as it is made of its own parts. */
interface Measures {
  readonly depth: number
  /** How many instructions it takes, as Go counts them. */
  readonly size: number
  /** What its nested repetitions multiply to. */
  readonly repetitions: number
}

type Leaf =
  | { readonly kind: 'letter'; readonly code: number }
  | { readonly kind: 'class'; readonly letters: LetterClass }
  | { readonly kind: 'assertion'; readonly is: Assertion }

interface Repeat {
  readonly kind: 'repeat'
  readonly node: Node
  readonly min: number
  readonly max: number
  readonly isGreedy: boolean
}

/** A pattern, or a part of one. A sequence of nothing is the empty pattern. */
export type Node = Measures &
  (
    | Leaf
    | Repeat
    | { readonly kind: 'group'; readonly index: number; readonly node: Node }
    | { readonly kind: 'sequence' | 'choice'; readonly nodes: readonly Node[] }
  )

export function leaf(given: Leaf): Node {
  return { ...given, depth: 1, size: 1, repetitions: 1 }
}

export function assertion(is: Assertion): Node {
  return leaf({ kind: 'assertion', is })
}

export function group(index: number, node: Node): Node {
  return { kind: 'group', index, node, ...above(node, 2 + node.size, 1) }
}

export function sequence(nodes: readonly Node[]): Node {
  return ofMany('sequence', nodes, 0)
}

export function choice(nodes: readonly Node[]): Node {
  return ofMany('choice', nodes, nodes.length - 1)
}

/** `max` may be Infinity. */
export function repeat(node: Node, min: number, max: number, isGreedy: boolean): Node {
  const isOpen = max === Infinity
  const size = isOpen ? 2 + Math.max(min, 1) * node.size : max * node.size + (max - min)
  const times = isOpen ? Math.max(min, 1) : max
  return { kind: 'repeat', node, min, max, isGreedy, ...above(node, Math.max(1, size), times) }
}

function above(node: Node, size: number, times: number): Measures {
  return { depth: node.depth + 1, size, repetitions: node.repetitions * times }
}

function ofMany(kind: 'sequence' | 'choice', nodes: readonly Node[], more: number): Node {
  const [only] = nodes
  if (only !== undefined && nodes.length === 1) return only
  const measures = { depth: 1, size: more, repetitions: 1 }
  for (const { depth, size, repetitions } of nodes) {
    measures.depth = Math.max(measures.depth, depth + 1)
    measures.size += size
    measures.repetitions = Math.max(measures.repetitions, repetitions)
  }
  return { kind, nodes, ...measures, size: Math.max(1, measures.size) }
}
