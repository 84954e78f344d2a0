/** Calls of `sprintf`, made of a seed, and always the same of one. */
import { parseNumber } from '../../../../src/policy/plan/numbers.ts'
import { randomOf } from '../random.ts'
import type { Call } from '../random.ts'

export const formatShapes: Readonly<Record<string, number>> = { sprintf: 2 }

// No `p`, which is an address, and no `w`, which shows how Go keeps a number.
const verbs = Array.from('vvvdddsssqqxXobcUeEfFgGtTOyz%!é😀')
const flags = ['#', '0', '+', '-', ' ']
const texts = ['', 'a', ' ', 'é=', '😀', '\n', ':', '[', ']', '.', '*', '1']
const words = [
  '',
  'a',
  'main',
  'é',
  '😀b',
  'a"b',
  'a`b',
  "it's",
  'tab\tend',
  'line\nend',
  '\u0007\u007f\u200b\ufeff',
  'x'.repeat(40),
]
const integers = [
  0, 1, -1, 5, 7, 39, 42, 65, 92, 128, 233, 255, -300, 8364, 55_296, 128_512, 1_114_111,
]
const integersMore = [
  '1114112',
  '9007199254740993',
  '9223372036854775807',
  '-9223372036854775808',
  '9223372036854775808',
  '-123456789012345678901234567890',
]
const doubles = [
  0.5, 1.5, 2.5, 0.125, -0.25, 3.7415, 0.1, 100.5, 1234567.5, 123456.75, 0.0001, -0.00001234, 99.95,
]
const doublesMore = [
  '1e-7',
  '5e-324',
  '2.2250738585072014e-308',
  '0.30000000000000004',
  '1e-400',
  '123456789.123456789',
]
const others = [null, true, false, [], [1, 'a'], {}, { a: [true, 'é"'] }]

export function formatCalls(seed: number, count: number): readonly Call[] {
  const below = randomOf(seed)
  const one = <T>(of: readonly T[]): T => of[below(of.length)] as T
  const some = (most: number, make: () => string): string =>
    Array.from({ length: below(most + 1) }, make).join('')
  const number = (): string =>
    one(['', '', '', String(below(12)), String(below(40)), '*', below(60) === 0 ? '1000001' : '3'])
  const index = (): string =>
    below(12) === 0 ? `[${one(['1', '2', '3', '0', '', 'x', '9'])}]` : ''
  const precision = (): string => (below(3) === 0 ? `.${index()}${number()}` : '')
  const directive = (): string => {
    const before = below(2) === 0 ? some(3, () => one(flags)) : ''
    const size = below(3) === 0 ? '' : index() + number() + precision() + index()
    return `%${before}${size}${below(60) === 0 ? '' : one(verbs)}`
  }
  const argument = (): unknown => {
    const kind = below(10)
    if (kind < 4) return below(4) === 0 ? parseNumber(one(integersMore)) : one(integers)
    if (kind < 6) return below(4) === 0 ? parseNumber(one(doublesMore)) : one(doubles)
    return kind < 9 ? one(words) : one(others)
  }
  function call(): Call {
    const pieces = Array.from(
      { length: 1 + below(3) },
      () => some(1, () => one(texts)) + directive(),
    )
    const args = Array.from({ length: below(5) }, argument)
    return ['sprintf', pieces.join('') + some(1, () => one(texts)), args]
  }
  return Array.from({ length: count }, call)
}

/** Those that are kept with what opa answers. */
export const formatVectorCalls: readonly Call[] = formatCalls(1, 800)
