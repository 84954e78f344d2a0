/**
 * What Go's Unicode 15 knows under the names of `\p{…}`; Node's own is newer. Names are looked up as Go 1.26 does: without regard to
 * case, spaces, hyphens and underscores, which leaves scripts whose names have an underscore or a second capital without any.
 */
const categories: Readonly<Record<string, string>> = Object.fromEntries(
  (
    'C=Other Cc=Control=Cntrl Cf=Format Cn=Unassigned Co=Privateuse Cs=Surrogate L=Letter Lc=Casedletter Ll=Lowercaseletter ' +
    'Lm=Modifierletter Lo=Otherletter Lt=Titlecaseletter Lu=Uppercaseletter M=Mark=Combiningmark Mc=Spacingmark Me=Enclosingmark ' +
    'Mn=Nonspacingmark N=Number Nd=Decimalnumber=Digit Nl=Letternumber No=Othernumber P=Punctuation=Punct Pc=Connectorpunctuation ' +
    'Pd=Dashpunctuation Pe=Closepunctuation Pf=Finalpunctuation Pi=Initialpunctuation Po=Otherpunctuation Ps=Openpunctuation S=Symbol ' +
    'Sc=Currencysymbol Sk=Modifiersymbol Sm=Mathsymbol So=Othersymbol Z=Separator Zl=Lineseparator Zp=Paragraphseparator Zs=Spaceseparator'
  )
    .split(' ')
    .flatMap((row) => {
      const names = row.split('=')
      const category = names[0] === 'Lc' ? 'LC' : (names[0] ?? '')
      return names.map((name) => [name, category] as const)
    }),
)

const scripts: ReadonlySet<string> = new Set(
  (
    'Adlam Ahom Arabic Armenian Avestan Balinese Bamum Batak Bengali Bhaiksuki Bopomofo Brahmi Braille Buginese Buhid Carian Chakma ' +
    'Cham Cherokee Chorasmian Common Coptic Cuneiform Cypriot Cyrillic Deseret Devanagari Dogra Duployan Elbasan Elymaic Ethiopic ' +
    'Georgian Glagolitic Gothic Grantha Greek Gujarati Gurmukhi Han Hangul Hanunoo Hatran Hebrew Hiragana Inherited Javanese Kaithi ' +
    'Kannada Katakana Kawi Kharoshthi Khmer Khojki Khudawadi Lao Latin Lepcha Limbu Lisu Lycian Lydian Mahajani Makasar Malayalam ' +
    'Mandaic Manichaean Marchen Medefaidrin Miao Modi Mongolian Mro Multani Myanmar Nabataean Nandinagari Newa Nko Nushu Ogham Oriya ' +
    'Osage Osmanya Palmyrene Phoenician Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham Sinhala Sogdian Soyombo Sundanese ' +
    'Syriac Tagalog Tagbanwa Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Toto Ugaritic Vai Vithkuqi Wancho ' +
    'Yezidi Yi'
  ).split(' '),
)

/** What a name stands for, in the words of JavaScript's own classes. */
export interface Property {
  readonly source: string
  readonly isNegated: boolean
  /** Whether code points are in it that no letter of Unicode 15 is. */
  readonly hasUnassigned: boolean
  /** Whether its letters count as they are where case does not count. */
  readonly keepsCase?: boolean
}

/** The property of a name; undefined where Go has none. */
export function propertyOf(text: string): Property | undefined {
  const letters = text.replace(/[ _-]/g, '').replace(/[A-Z]/g, (letter) => letter.toLowerCase())
  const name = letters.replace(/^[a-z]/, (letter) => letter.toUpperCase())
  if (name === 'Any') return plain(String.raw`\u{0}-\u{10ffff}`, true)
  if (name === 'Ascii') return plain(String.raw`\u{0}-\u{7f}`, false)
  if (name === 'Assigned') return { ...plain(String.raw`\p{Cn}`, true), isNegated: true }
  if (scripts.has(name)) return plain(String.raw`\p{Script=${name}}`, false)
  const category = Object.hasOwn(categories, name) ? categories[name] : undefined
  if (category === undefined) return undefined
  // Go has no cases for this one.
  if (category === 'LC') return { ...plain(String.raw`\p{LC}`, false), keepsCase: true }
  return plain(String.raw`\p{${category}}`, category === 'Cn' || category === 'C')
}

function plain(source: string, hasUnassigned: boolean): Property {
  return { source, isNegated: false, hasUnassigned }
}

/** What came with Unicode 15.1 to 17: nothing but unassigned to Go. */
const later =
  '88f 897 c5c cdc 1acf-1add 1ae0-1aeb 1b4e-1b4f 1b7f 1c89-1c8a 20c1 2427-2429 2b96 2ffc-2fff 31e4-31e5 31ef a7cb-a7cf a7d2 a7d4 a7da-a7dc ' +
  'a7f1 fbc3-fbd2 fd90-fd91 fdc8-fdce 105c0-105f3 10940-10959 10d40-10d65 10d69-10d85 10d8e-10d8f 10ec2-10ec7 10ed0-10ed8 10efa-10efc ' +
  '11380-11389 1138b 1138e 11390-113b5 113b7-113c0 113c2 113c5 113c7-113ca 113cc-113d5 113d7-113d8 113e1-113e2 116d0-116e3 11b60-11b67 ' +
  '11bc0-11be1 11bf0-11bf9 11db0-11ddb 11de0-11de9 11f5a 13460-143fa 16100-16139 16d40-16d79 16ea0-16eb8 16ebb-16ed3 16ff2-16ff6 ' +
  '187f8-187ff 18cff 18d09-18d1e 18d80-18df2 1cc00-1ccfc 1cd00-1ceb3 1ceba-1ced0 1cee0-1cef0 1e5d0-1e5fa 1e5ff 1e6c0-1e6de 1e6e0-1e6f5 ' +
  '1e6fe-1e6ff 1f6d8 1f777-1f77a 1f8b2-1f8bb 1f8c0-1f8c1 1f8d0-1f8d8 1fa54-1fa57 1fa89-1fa8a 1fa8e-1fa8f 1fabe 1fac6 1fac8 1facd 1fadc ' +
  '1fadf 1fae9-1faea 1faef 1fbcb-1fbef 1fbfa 2b73a-2b73f 2cea2-2cead 2ebf0-2ee5d 323b0-33479'

const isLaterPattern = new RegExp(
  `^[${later.replace(/[0-9a-f]+/g, String.raw`\u{$&}`).replaceAll(' ', '')}]$`,
  'u',
)

export function isLater(letter: string): boolean {
  return isLaterPattern.test(letter)
}

/** Letters that have got another case, or a second spelling, since Unicode 15. */
const foldsAlonePattern = /^[\u019b\u0264\u0390\u03b0\u1fd3\u1fe3\ua7d3\ua7d5\ufb05\ufb06]$/u

export function foldsAlone(letter: string): boolean {
  return foldsAlonePattern.test(letter)
}

/** Two letters are of another category since Unicode 15; for each, one that still is what it was, of the same script. */
const before: ReadonlyMap<string, string> = new Map([
  ['\u0295', '\u0138'],
  ['\u{1171e}', '\u{11722}'],
])

export function asBefore(letter: string): string {
  return before.get(letter) ?? letter
}
