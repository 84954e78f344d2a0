/** The names of classes of letters, and letters to try them on: of all planes, and those that a newer Unicode knows otherwise. */

const categories =
  'C Cc Cf Cn Co Cs L LC Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So Z Zl Zp Zs Any ASCII Assigned'

const scripts =
  'Adlam Arabic Bopomofo Braille Cherokee Common Coptic Cyrillic Deseret Devanagari Ethiopic Georgian Greek Han Hangul Hebrew ' +
  'Hiragana Inherited Katakana Latin Mongolian Nushu Tangut Thai Vithkuqi Yi'

const perl = String.raw`\d \D \s \S \w \W [[:punct:]] [[:^alpha:]] [^\pL\d] [k-s] [^À-ÿ] [Α-ω] [\x{100}-\x{ffff}]`

export const classPatterns: readonly string[] = [
  ...`${categories} ${scripts}`.split(' ').map((name) => String.raw`\p{${name}}`),
  ...perl.split(' '),
].flatMap((pattern) => [pattern, `(?i)${pattern}`])

/** Since Unicode 15: new letters with and without a case, new cases of old ones, other categories. */
const changed = [
  0x19b, 0x345, 0x264, 0x295, 0x390, 0x3b0, 0x88f, 0x1171e, 0x11db0, 0x1c89, 0x1c8a, 0x1fd3, 0x1fe3,
  0xa7cb, 0xa7cc, 0xa7d2, 0xa7d3, 0xa7d4, 0xa7d5, 0xa7da, 0xa7dc, 0xfb05, 0xfb06, 0x10d50, 0x10d70,
  0x16ea0, 0x16ebb, 0x1fae9, 0x2ebf0, 0x323b0,
]

export const sampleLetters: string = [
  ...Array.from({ length: 0x180 }, (_, code) => code),
  ...Array.from({ length: 0x400 }, (_, step) => 0x250 + step * 211),
  ...changed,
]
  .filter((code) => code < 0xd800 || code > 0xdfff)
  .map((code) => String.fromCodePoint(code))
  .join('')

/** Numbers in order as text: `0-9 11`. */
export function rangesOf(numbers: readonly number[]): string {
  const ranges: [number, number][] = []
  for (const number of numbers) {
    const last = ranges.at(-1)
    if (last?.[1] === number - 1) last[1] = number
    else ranges.push([number, number])
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(' ')
}
