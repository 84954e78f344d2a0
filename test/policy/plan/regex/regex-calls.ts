import { randomOf } from '../random.ts'

/** Calls of the regular expressions: patterns, texts and arguments that are made of a seed, and always the same of one. */

export type RegexCall = readonly [name: string, ...args: readonly (string | number)[]]

const letters = [
  'a',
  'b',
  'ab',
  'k',
  's',
  'é',
  'ß',
  'ẞ',
  'K',
  'ſ',
  'σ',
  'ς',
  '\u{1f600}',
  '\u{10400}',
]
const lettersMore = [
  'A',
  'K',
  '_',
  '0',
  '7',
  ' ',
  '\n',
  '\t',
  '-',
  '.',
  '{',
  '}',
  ',',
  ']',
  ':',
  '\u0378',
  '\ua7cb',
  '\u0264',
]
const escapes =
  String.raw`\. \- \_ \/ \a \f \t \n \r \v \x41 \x{e9} \x{1F600} \101 \01 \0 \d \D \s \S \w \W \pL \PL \pN \p{Lu} \P{Lu} \p{^Lu} \P{^Lu} \p{Greek} \p{greek} \p{Latin} \p{Uppercase_Letter} \p{lower case-letter} \p{Any} \p{ASCII} \p{Assigned} \P{Assigned} \p{Cn} \pC \p{LC} \p{Common} \Qa.b\E \Q*`.split(
    ' ',
  )
const broken =
  String.raw`\8 \1 \C \Z \E \é \x{} \x{110000} \x4 \xg \p{} \p \pX \p{Foo} \p{Old_Italic} \p{Garay} \p{Script=Greek} \c ( ) (? (?P<> (?P<a (?P=a) (?=a) (?!a) (?<=a) (?<!a) (?'a') (?#a) (?x) (?i-) (?-) (?^i) [ [] [^] [a [b-a] [[:foo:]] [[:alpha:] [a-\d] [\d-a] * + ? ** a** {2} a{2}{3} a{1001} a{2,1} a{,2} a{2 a{01} a{2,3}?? a{,} \\`.split(
    ' ',
  )
const places = [String.raw`^`, '$', String.raw`\A`, String.raw`\z`, String.raw`\b`, String.raw`\B`]
const counts = [
  '*',
  '+',
  '?',
  '*?',
  '+?',
  '??',
  '{2}',
  '{0}',
  '{1,2}',
  '{0,3}?',
  '{2,}',
  '{0,}?',
  '{3}?',
  '{,2}',
  '{x}',
]
const flags = ['i', 's', 'm', 'U', 'im', 'is', 'iU', '-i', 'i-s', 'sm-U', '-imsU', 's-i']
const classItems =
  String.raw`a b k s é a-c A-F k-s À-ÿ Α-ω \d \D \s \w \W \pL \PN \p{Lu} \P{Lu} \p{Han} [:alpha:] [:^alpha:] [:word:] [:^space:] [:punct:] - ] ^ \] \- \\ \n . 0-9 \x{1F600}-\x{1F64F} : [ ı ſ`.split(
    ' ',
  )
const replacements = [
  '',
  'x',
  '$1',
  '$0',
  '${1}',
  '$1x',
  '${1}x',
  '$$',
  '$',
  '$a',
  '${a}',
  '${b',
  '$b1',
  '$01',
  '$99',
  '<$0>',
  '$é',
  '$${a}',
  '\u{1f600}$1',
]

export function regexCalls(seed: number, count: number): readonly RegexCall[] {
  const below = randomOf(seed)
  const one = <T>(of: readonly T[]): T => of[below(of.length)] as T
  const many = (max: number, of: () => string): string =>
    Array.from({ length: below(max + 1) }, of).join('')

  function atom(depth: number): string {
    const kind = below(depth > 0 ? 16 : 10)
    if (kind < 4) return one(letters)
    if (kind < 5) return one(lettersMore)
    if (kind < 6) return one(escapes)
    if (kind < 7) return one(places)
    if (kind < 8) return '.'
    if (kind < 10)
      return `[${one(['', '', '^'])}${one(classItems)}${many(3, () => one(classItems))}]`
    if (kind < 12) return `(${alternatives(depth - 1)})`
    if (kind < 13) return `(?:${alternatives(depth - 1)})`
    if (kind < 14) return `(?${one(flags)}:${alternatives(depth - 1)})`
    if (kind < 15) return `(?${one(flags)})`
    return `(${one(['?P<a>', '?<b1>', '?P<a_>'])}${alternatives(depth - 1)})`
  }
  function sequence(depth: number): string {
    return many(4, () => atom(depth) + (below(3) === 0 ? one(counts) : ''))
  }
  function alternatives(depth: number): string {
    return [
      sequence(depth),
      ...Array.from({ length: one([0, 0, 1, 2]) }, () => sequence(depth)),
    ].join('|')
  }
  function pattern(): string {
    const whole = (below(4) === 0 ? `(?${one(flags)})` : '') + alternatives(3)
    const kind = below(10)
    if (kind === 0) return whole + one(broken)
    if (kind === 1) return one(broken) + whole
    // A piece is cut out: most of what is left is no pattern.
    const at = below(whole.length + 1)
    return (kind === 2 ? whole.slice(0, at) + whole.slice(at + 1 + below(3)) : whole).toWellFormed()
  }
  function text(): string {
    return many(one([2, 6, 12]), () => one(below(3) === 0 ? lettersMore : letters))
  }
  function call(): RegexCall {
    const kind = below(9)
    if (kind === 0) return ['regex.is_valid', pattern()]
    if (kind < 3) return ['regex.match', pattern(), text()]
    if (kind < 4) return ['regex.find_n', pattern(), text(), one([-1, -1, 0, 1, 2, 1.5])]
    if (kind < 6)
      return ['regex.find_all_string_submatch_n', pattern(), text(), one([-1, -1, -1, 0, 1, 2])]
    if (kind < 7) return ['regex.replace', text(), pattern(), one(replacements)]
    if (kind < 8) return ['regex.split', pattern(), text()]
    const [begin, end] = one([
      ['{', '}'],
      ['<', '>'],
      ['{', '{'],
      ['', '}'],
      ['é', '}'],
      ['{{', '}'],
    ] as const)
    return [
      'regex.template_match',
      `${text()}${begin}${pattern()}${end}${one(letters)}`,
      text(),
      begin,
      end,
    ]
  }
  return Array.from({ length: count }, call)
}

/** Those that are kept with what opa answers. */
export const vectorCalls: readonly RegexCall[] = regexCalls(1, 2000)

export const regexShapes: Readonly<Record<string, number>> = {
  'regex.is_valid': 1,
  'regex.match': 2,
  'regex.find_n': 3,
  'regex.find_all_string_submatch_n': 3,
  'regex.replace': 3,
  'regex.split': 2,
  'regex.template_match': 4,
}
