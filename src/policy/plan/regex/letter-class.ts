import { asBefore, foldsAlone, isLater } from './unicode.ts'
import type { Property } from './unicode.ts'

/** Which letters fit at one place of a text. */
export interface LetterClass {
  /** What a look at it takes. */
  readonly weight: number
  has(code: number): boolean
}

/** One part of a class: letters from one to another, or a property. */
export type Part = readonly [from: number, to: number] | Property

/** Of a letter, by JavaScript's own classes: each of these patterns looks at one code point, and there is nothing to go back to. */
type Holds = (letter: string) => boolean

/**
 * A class of parts, each of them with every case of its letters where it `folds`. As in Go, a part is folded before it is negated, and so is
 * the whole.
 */
export function letterClass(
  parts: readonly Part[],
  options: { readonly isNegated: boolean; readonly folds: boolean },
): LetterClass {
  const { isNegated, folds } = options
  const ranges = parts.filter(isRange)
  const properties = parts.filter(isProperty)
  const holds = [
    ...(ranges.length > 0 ? [holdsRanges(ranges, folds)] : []),
    ...properties.map((property) => holdsProperty(property, folds)),
  ]
  // Of most texts most letters are of these 128: 1 for what fits, 2 for what does not, once it was asked.
  const known = new Uint8Array(128)
  const look = (code: number): boolean => {
    const letter = String.fromCodePoint(code)
    return holds.some((fits) => fits(letter)) !== isNegated
  }
  return {
    weight: 1 + (parts.length >>> 2),
    has(code) {
      if (code >= 128) return look(code)
      if (known[code] === 0) known[code] = look(code) ? 1 : 2
      return known[code] === 1
    },
  }
}

function isRange(part: Part): part is readonly [number, number] {
  return 'length' in part
}

function isProperty(part: Part): part is Property {
  return !isRange(part)
}

function holdsRanges(ranges: readonly (readonly [number, number])[], folds: boolean): Holds {
  return holdsSource(ranges.map(([from, to]) => `${escaped(from)}-${escaped(to)}`).join(''), folds)
}

function holdsProperty(property: Property, folds: boolean): Holds {
  const { source, isNegated, hasUnassigned, keepsCase } = property
  const holds = holdsSource(source, folds && keepsCase !== true)
  return (letter) => (isLater(letter) ? hasUnassigned : holds(asBefore(letter))) !== isNegated
}

function holdsSource(source: string, folds: boolean): Holds {
  const exact = new RegExp(`^[${source}]$`, 'u')
  if (!folds) return (letter) => exact.test(letter)
  const any = new RegExp(`^[${source}]$`, 'iu')
  return (letter) => (isLater(letter) || foldsAlone(letter) ? exact : any).test(letter)
}

/** A code point in JavaScript's patterns. */
export function escaped(code: number): string {
  return String.raw`\u{${code.toString(16)}}`
}
