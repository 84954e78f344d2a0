import { randomOf } from '../random.ts'
import type { Call } from '../random.ts'

const pieces = [
  'a',
  'b',
  'ab',
  'é',
  '\u{1f600}',
  '.',
  '/',
  ':',
  '-',
  ',',
  '!',
  ']',
  '}',
  '\n',
  '\0',
  'x',
  '*',
  '*',
  '**',
  '**',
  '***',
  '?',
  '??',
  '*?',
  '[ab]',
  '[!ab]',
  '[a-c]',
  '[!a-c]',
  '[a]',
  '{a,b}',
  '{a,}',
  '{,a}',
  '{}',
  '{ab*,*.}',
  '{a{b,c},d}',
  '{**,x}',
  '[.]',
  '[!.]',
  '[é-ë]',
  '\\*',
  '\\[',
  '\\{',
  '\\}',
  '\\,',
  '\\a',
  '\\\\',
  '[\\]]',
  '[-]',
  '[--a]',
  '[\\-a]',
  '[*?]',
]
const broken =
  '[|[]|[!]|[a|[a-]|[a-]]|[b-a]|[a-c|[a-cd]|{|{a|{a,|{a{b}|[!!a]|[]a]|}|a}|,|\\|[\\|[a\\|[a\\]|{[}|[\\|[a-b-c]|[-a]|[a-\\]|[!-a]|[!a-!]|{a,b'.split(
    '|',
  )
const texts = [
  'a',
  'a',
  'b',
  'c',
  'ab',
  '.',
  '.',
  '/',
  ':',
  'é',
  'ê',
  '\u{1f600}',
  '*',
  '[',
  ']',
  '{',
  '}',
  ',',
  '\\',
  '-',
  '!',
  '\n',
  '\0',
]
const delimiters = [
  null,
  null,
  [],
  [],
  ['.'],
  ['/'],
  ['.', '/'],
  [':'],
  ['é'],
  ['\u{1f600}'],
  ['a'],
  ['\n'],
  ['*'],
  '.',
  ['..'],
  [''],
  [1],
  [null],
  7,
  {},
  true,
  ['.', 5],
]

export const globShapes: Readonly<Record<string, number>> = { 'glob.match': 3 }

export function globCalls(seed: number, count: number): readonly Call[] {
  const below = randomOf(seed)
  const one = <T>(of: readonly T[]): T => of[below(of.length)] as T
  const many = (max: number, of: readonly string[]): string =>
    Array.from({ length: below(max + 1) }, () => one(of)).join('')

  function pattern(depth: number): string {
    const own = many(4, pieces)
    if (depth === 0 || below(3) > 0) return own
    const inner = Array.from({ length: 1 + below(3) }, () => pattern(depth - 1))
    return `${own}{${inner.join(',')}}${many(2, pieces)}`
  }
  /** A text that the pattern may well match: its letters, with others in place of what stands for them. */
  function near(of: string): string {
    return of
      .replace(/[*?]|\[[^\]]*\]/gu, () => many(2, texts))
      .replace(/\{([^{},]*)[^{}]*\}/g, '$1')
      .replace(/\\/g, '')
  }
  return Array.from({ length: count }, (): Call => {
    const own = pattern(2)
    const whole = below(10) === 0 ? own + one(broken) + many(1, pieces) : own
    const text = below(3) > 0 ? near(own) : many(6, texts)
    return ['glob.match', whole, one(delimiters), text]
  })
}

/** Those that are kept with what opa answers. */
export const globVectorCalls: readonly Call[] = globCalls(1, 3000)
