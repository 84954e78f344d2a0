import { letterClass } from './letter-class.ts'
import type { LetterClass, Part } from './letter-class.ts'
import type { Syntax } from './syntax.ts'
import { assertion, choice, leaf, repeat, sequence } from './tree.ts'
import type { Node } from './tree.ts'

/** Alternatives in alternatives: far more than anybody means. */
const depthMax = 500

/** What a class takes to make. */
const classSteps = 8

class Invalid extends Error {}

/** A glob with its delimiters, as one text. */
export function globText(pattern: string, delimiters: readonly string[]): string {
  const all = delimiters.join('')
  return `${all.length}:${all}${pattern}`
}

/**
 * Reads a glob as OPA writes it (gobwas/glob 1.0), all of a text: `*` and `?` stop at delimiters, `**` and classes do not. Undefined of one
 * that is none. `spend` is told of work before it is done.
 */
export function parseGlob(given: string, spend: (steps: number) => void): Syntax | undefined {
  const colon = given.indexOf(':')
  const begin = colon + 1 + Number(given.slice(0, colon))
  const delimiters = Array.from(given.slice(colon + 1, begin), codeOf)
  spend(classSteps + delimiters.length + ((given.length - begin) >>> 3))
  const reader = new Reader(Array.from(given.slice(begin)), delimiters, spend)
  try {
    const whole = [assertion('text-begin'), reader.sequence(0), assertion('text-end')]
    return { node: sequence(whole), groups: [undefined] }
  } catch (error) {
    if (error instanceof Invalid) return undefined
    throw error
  }
}

function codeOf(letter: string): number {
  return letter.codePointAt(0) ?? 0
}

function invalid(): never {
  throw new Invalid()
}

/** Reads letters from left to right, once. */
class Reader {
  readonly #letters: readonly string[]
  readonly #spend: (steps: number) => void
  /** What `*` and `?` take, and what `**` takes. */
  readonly #within: LetterClass
  readonly #any: LetterClass
  #at = 0

  constructor(
    letters: readonly string[],
    delimiters: readonly number[],
    spend: (n: number) => void,
  ) {
    this.#letters = letters
    this.#spend = spend
    this.#any = letterClass([[0, 0x10ffff]], { isNegated: false, folds: false })
    const stops = delimiters.map((code): Part => [code, code])
    this.#within =
      stops.length === 0 ? this.#any : letterClass(stops, { isNegated: true, folds: false })
  }

  #takes(letter: string): boolean {
    if (this.#letters[this.#at] !== letter) return false
    this.#at += 1
    return true
  }

  /** The next letter, whatever it is; none is no glob. */
  #letter(): string {
    const letter = this.#letters[this.#at] ?? invalid()
    this.#at += 1
    return letter
  }

  /** Up to the end, or among alternatives to the end of one. */
  sequence(depth: number): Node {
    const nodes: Node[] = []
    for (;;) {
      const next = this.#letters[this.#at]
      if (next === undefined) return depth === 0 ? sequence(nodes) : invalid()
      if (depth > 0 && (next === ',' || next === '}')) return sequence(nodes)
      nodes.push(this.#part(depth))
    }
  }

  #part(depth: number): Node {
    const letter = this.#letter()
    if (letter === '*') {
      return repeat(this.#class(this.#takes('*') ? this.#any : this.#within), 0, Infinity, true)
    }
    if (letter === '?') return this.#class(this.#within)
    if (letter === '[') return this.#set()
    if (letter === '{') return this.#alternatives(depth + 1)
    return leaf({ kind: 'letter', code: codeOf(letter === '\\' ? this.#letter() : letter) })
  }

  #class(letters: LetterClass): Node {
    return leaf({ kind: 'class', letters })
  }

  #alternatives(depth: number): Node {
    if (depth > depthMax) invalid()
    const nodes = [this.sequence(depth)]
    while (this.#takes(',')) nodes.push(this.sequence(depth))
    // What ends a sequence is a comma or this.
    this.#letter()
    return choice(nodes)
  }

  /** A range, or the letters of a set: an escape counts in the set alone, and neither is empty. */
  #set(): Node {
    const isNegated = this.#takes('!')
    const range = this.#range()
    const parts = range === undefined ? this.#members() : [range]
    if (!this.#takes(']') || parts.length === 0) invalid()
    this.#spend(classSteps + parts.length)
    return this.#class(letterClass(parts, { isNegated, folds: false }))
  }

  #range(): Part | undefined {
    if (this.#letters[this.#at + 1] !== '-') return undefined
    const from = codeOf(this.#letter())
    this.#at += 1
    const to = codeOf(this.#letter())
    return from <= to ? [from, to] : invalid()
  }

  #members(): readonly Part[] {
    const parts: Part[] = []
    while (this.#at < this.#letters.length && this.#letters[this.#at] !== ']') {
      const letter = this.#letter()
      const code = codeOf(letter === '\\' ? this.#letter() : letter)
      parts.push([code, code])
    }
    return parts
  }
}
