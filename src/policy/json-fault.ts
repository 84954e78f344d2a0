/** What may come next, as a reader of the message knows it. */
const wanted = {
  value: 'a value',
  first: 'a value or ]',
  name: 'a name in double quotes',
  firstName: 'a name in double quotes or }',
  colon: ':',
  inObject: ', or }',
  inArray: ', or ]',
  end: 'the end',
} as const

type Expected = keyof typeof wanted

/** RFC 8259 §2 to §7: space, and then a string, a number, a word or a mark. */
const token =
  /[ \t\n\r]*(?:("[ !#-[\]-\uffff]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[ !#-[\]-\uffff]*)*")|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])|(?:true|false|null)(?!\w)|([{}[\],:]))/y
const space = /[ \t\n\r]*/y

/** Where a text stops to be JSON, and what was expected there: `JSON.parse` tells neither of a short text. Undefined where all of it is JSON. */
export function jsonFault(text: string): string | undefined {
  const open: ('{' | '[')[] = []
  const inside = (): Expected =>
    open.length === 0 ? 'end' : open.at(-1) === '{' ? 'inObject' : 'inArray'
  let expected: Expected = 'value'
  token.lastIndex = 0
  for (;;) {
    const at = token.lastIndex
    const found: RegExpExecArray | null = token.exec(text)
    const next: Next | undefined = found === null ? undefined : follow(expected, found)
    if (next === undefined) return told(text, at, expected)
    if (next === 'close') open.pop()
    const [, , mark] = found ?? []
    if (mark === '{' || mark === '[') open.push(mark)
    expected = next === 'close' || next === 'inside' ? inside() : next
  }
}

type Next = Expected | 'close' | 'inside'

/** What a token leads to; undefined where it has no place. */
function follow(expected: Expected, [, string, mark]: RegExpExecArray): Next | undefined {
  const isName = expected === 'name' || expected === 'firstName'
  if (isName && string !== undefined) return 'colon'
  if (mark === ':') return expected === 'colon' ? 'value' : undefined
  if (mark === '}') {
    return expected === 'firstName' || expected === 'inObject' ? 'close' : undefined
  }
  if (mark === ']') return expected === 'first' || expected === 'inArray' ? 'close' : undefined
  if (mark === ',') {
    if (expected === 'inObject') return 'name'
    return expected === 'inArray' ? 'value' : undefined
  }
  if (expected !== 'value' && expected !== 'first') return undefined
  if (mark === '{') return 'firstName'
  return mark === '[' ? 'first' : 'inside'
}

function told(text: string, after: number, expected: Expected): string | undefined {
  space.lastIndex = after
  space.exec(text)
  const at = space.lastIndex
  if (expected === 'end' && at === text.length) return undefined
  const before = text.slice(0, at)
  const line = before.split('\n').length
  const column = at - before.lastIndexOf('\n')
  return `line ${line} column ${column}, want=${wanted[expected]}`
}
