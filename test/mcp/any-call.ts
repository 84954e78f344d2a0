/** Calls that are nearly right, for those who compare how they are read. */
import * as fc from 'fast-check'

/** What a name becomes that some reader may still take for it. */
const disguises: readonly ((name: string) => string)[] = [
  (name) => name.toUpperCase(),
  (name) => `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`,
  (name) => name.replace('s', 'ſ').replace('k', '\u212a'),
  (name) => name.replace(/[a-z]/, (letter) => String.fromCharCode(letter.charCodeAt(0) + 0xfee0)),
  (name) => name.replace('i', 'ı'),
  (name) => name.replace('i', 'İ'),
  (name) => `${name}\u0000`,
  (name) => ` ${name}`,
  (name) => `${name}\u200b`,
  (name) => `${name}\u0301`,
]

/** A name in quotes, perhaps disguised, perhaps with one of its characters as an escape. */
function written(name: string): fc.Arbitrary<string> {
  const escaped = fc.nat(Math.max(0, name.length - 1)).map((at) => {
    const unit = name.charCodeAt(at).toString(16).padStart(4, '0')
    return `"${name.slice(0, at)}\\u${unit}${name.slice(at + 1)}"`
  })
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant(JSON.stringify(name)) },
    { weight: 1, arbitrary: escaped },
    {
      weight: 2,
      arbitrary: fc.constantFrom(...disguises).map((disguise) => JSON.stringify(disguise(name))),
    },
  )
}

const space = fc.constantFrom('', '', '', ' ', '\n\t', '\r\n ')
const anyText = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom('"read"', '"delete"', '"\\u0072ead"', '"é\\/"') },
  fc.constant('"\\ud800"'),
)
const anyNumber = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom('1', '2.0', '-0', '1e3', '9007199254740993') },
  fc.constantFrom('1e400', '01'),
)
const anyValue = fc.oneof(
  { weight: 4, arbitrary: anyText },
  { weight: 3, arbitrary: anyNumber },
  fc.constantFrom('null', '{}', '[]', '{"path":1,"path":2}', '[{"a":{"__proto__":1}}]', 'tru'),
)

/** A member as octets. */
type Text = fc.Arbitrary<string>

function member(name: string, value: Text): Text {
  return fc.tuple(written(name), space, space, value).map(([a, b, c, d]) => `${a}${b}:${c}${d}`)
}

/** An object of these members in any order, most often with one more of a name that is there, or that resembles it. */
function objectOf(members: Readonly<Record<string, Text>>): Text {
  const own = Object.entries(members).map(([name, value]) => {
    const plain = value.map((text) => `${JSON.stringify(name)}:${text}`)
    return fc.oneof({ weight: 40, arbitrary: plain }, { weight: 1, arbitrary: member(name, value) })
  })
  const more = fc.constantFrom(...Object.keys(members)).chain((name) => member(name, anyValue))
  const extra = fc.oneof(
    { weight: 8, arbitrary: fc.constant([] as string[]) },
    { weight: 1, arbitrary: more.map((one) => [one]) },
  )
  return fc
    .tuple(fc.tuple(...own), extra)
    .chain(([texts, extras]) => {
      const all = [...texts, ...extras]
      return fc.shuffledSubarray(all, { minLength: all.length })
    })
    .chain((texts) => space.map((between) => `{${between}${texts.join(`${between},`)}}`))
}

const argumentTexts = {
  path: fc.oneof(anyText, anyNumber),
  task: fc.oneof(anyText, anyNumber),
  place: objectOf({ city: anyText, zip: anyNumber }),
}
/** Of the tool that is called. */
export const inputSchema = {
  properties: {
    path: { type: 'string' },
    task: {},
    place: { type: 'object', properties: { city: {}, zip: {} } },
  },
}
/** The member that makes a message modern. */
export const versionMember = 'io.modelcontextprotocol/protocolVersion'
/** A call of the tool `read` in octets, or what is nearly one. */
export const anyCall: Text = objectOf({
  jsonrpc: fc.constant('"2.0"'),
  id: fc.oneof({ weight: 30, arbitrary: fc.constant('1') }, anyValue),
  method: fc.oneof({ weight: 30, arbitrary: fc.constant('"tools/call"') }, anyText),
  params: objectOf({
    name: fc.oneof({ weight: 30, arbitrary: fc.constant('"read"') }, anyText),
    arguments: objectOf(argumentTexts),
    cursor: anyText,
    _meta: objectOf({
      [versionMember]: fc.constant('"2026-07-28"'),
      'io.modelcontextprotocol/clientCapabilities': fc.constant('{}'),
      progressToken: fc.oneof(anyText, anyNumber),
    }),
  }),
})
