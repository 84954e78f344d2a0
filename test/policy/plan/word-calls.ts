/** Calls of the builtins on versions, units and numbers in texts, made of a seed, and always the same of one. */
import { randomOf } from './random.ts'
import type { Call } from './random.ts'

/** Each builtin that is called, with the number of its arguments. */
export const wordShapes: Readonly<Record<string, number>> = {
  'semver.compare': 2,
  'semver.is_valid': 1,
  to_number: 1,
  'units.parse': 1,
  'units.parse_bytes': 1,
}

interface Random {
  readonly below: (bound: number) => number
  readonly one: <T>(of: readonly T[]) => T
}

const numbers = ['0', '1', '2', '10', '11', '01', '007', '9223372036854775807']
const numbersMore = ['9223372036854775808', '99999999999999999999', '', '-1', '1e3', 'x']
const parts = ['alpha', 'beta', 'rc', '1', '2', '10', '-', 'a-b', 'A', '0', '00', '01', '0a', '']

function version({ one, below }: Random): string {
  const number = (): string => one(below(12) === 0 ? numbersMore : numbers)
  const identifiers = (): string => Array.from({ length: 1 + below(3) }, () => one(parts)).join('.')
  const length = below(10) === 0 ? below(5) : 3
  return [
    one(['', '', '', 'v', below(4) === 0 ? 'V' : '']),
    Array.from({ length }, number).join('.'),
    below(2) === 0 ? `-${identifiers()}` : '',
    below(4) === 0 ? `+${identifiers()}` : '',
    below(30) === 0 ? one(['\n', ' ', 'é', '+', '-']) : '',
  ].join('')
}

const amounts = [
  '1',
  '0',
  '10',
  '1.5',
  '.5',
  '1.',
  '0.001',
  '123456789.123456789',
  '007',
  '1000000007',
]
const amountsMore = ['', '.', '1..2', '1+1', '--1', '1/2', '1_0', '0x10', 'inf', 'NaN', 'e5', '²']
const exponents = [
  'e3',
  'E3',
  'e-3',
  'e+2',
  'e30',
  'e-12',
  'e',
  'e+',
  'e1234567',
  'e3e3',
  'e-0',
  'e007',
]
const units =
  'k K m M g G t T p P e E ki Ki kI mi Mi gi Gi ti Ti pi Pi ei Ei kb KB kib KiB mb MB mib MiB gb gib tb tib pb pib eb eib b B x kk m" "M'.split(
    ' ',
  )
const unitsMore = [
  '\u212a',
  'k\u0130',
  '\u0130',
  'K\u212a',
  'k ',
  ' k',
  '\tk',
  'k\n',
  'é',
  '😀',
  '"',
  '" "',
]

function amount({ one, below }: Random): string {
  const sign = one(['', '', '', '-', '+'])
  const exponent = below(3) === 0 ? one(exponents) : ''
  return sign + one(below(12) === 0 ? amountsMore : amounts) + exponent
}

function quantity(random: Random): string {
  const { one, below } = random
  if (below(4) === 0) return amount(random)
  return amount(random) + one(below(10) === 0 ? unitsMore : units)
}

const odd = [
  null,
  true,
  false,
  0,
  1.5,
  [],
  ['1'],
  {},
  '',
  ' ',
  ' 1',
  '1 ',
  '1\n',
  'Infinity',
  '-0',
  '1e400',
  '1e308',
]

export function wordCalls(seed: number, count: number): readonly Call[] {
  const below = randomOf(seed)
  const one = <T>(of: readonly T[]): T => of[below(of.length)] as T
  function call(): Call {
    const name = one(Object.keys(wordShapes))
    const of = name.startsWith('semver') ? version : name === 'to_number' ? amount : quantity
    const args = Array.from({ length: wordShapes[name] ?? 0 }, () =>
      below(40) === 0 ? one(odd) : of({ one, below }),
    )
    return [name, ...args]
  }
  return Array.from({ length: count }, call)
}

/** Those that are kept with what opa answers. */
export const wordVectorCalls: readonly Call[] = wordCalls(1, 600)
