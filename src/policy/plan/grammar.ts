import { UnsupportedPlan } from './plan.ts'

/** JavaScript's words that a program is written with. */
const language =
  'const let function return new if else for break true false null undefined Array Map isArray length push get'

/** Names of our own: of the runtime, of its objects' members, and of what every program has. */
const names =
  'R S N O P meter left recall knows always ofSubject ofCall applied exhausted conflict dot sizeOf isObject isSet newObject newSet differ insertOnce ' +
  'merge upsert scan scanInOrder pathOf none set add memo root base begin plans dynamic input data rows a b c d v r i'

const vocabulary = new Set(`${language} ${names}`.split(' '))

/** A variable with its number: a local, a string, a function and so on. */
const numbered = /^[a-z]\d{1,7}$/

/** Words, integers, and the marks between them: no quotes, no escapes, no comments, no templates. */
const tokens = /[A-Za-z]\w*|\d+|[(){}[\],.:;?=!<>&|+-]|\s+/y

/**
 * Whether a program is of our own words and of numbers alone. Nothing of a plan's texts is ever written into one; this finds it if
 * that should break. Throws `UnsupportedPlan`.
 */
export function checkSource(source: string): void {
  const head = "'use strict'\n"
  if (!source.startsWith(head)) throw new UnsupportedPlan('program is not strict')
  tokens.lastIndex = head.length
  while (tokens.lastIndex < source.length) {
    const [token] = tokens.exec(source) ?? []
    if (token === undefined) throw new UnsupportedPlan('program has an unknown mark')
    const isWord = /^[A-Za-z]/.test(token)
    if (isWord && !vocabulary.has(token) && !numbered.test(token)) {
      throw new UnsupportedPlan('program has an unknown word')
    }
  }
}
