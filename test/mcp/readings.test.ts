import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { findVariant } from '../../src/mcp/argument-names.ts'
import { parseMessage, type Message } from '../../src/mcp/message.ts'
import { isProblem } from '../../src/mcp/problem.ts'
import type { Offsets } from '../../src/mcp/scan.ts'
import { parseArgumentNames } from '../../src/mcp/schema-names.ts'
import { headerList } from './vectors.ts'
import { readAlong, readers, readTree, type Node } from './readers.ts'
import { requirement } from '../requirements.ts'

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
const schema = {
  properties: {
    path: { type: 'string' },
    task: {},
    place: { type: 'object', properties: { city: {}, zip: {} } },
  },
}
const claim = 'io.modelcontextprotocol/protocolVersion'
const text = objectOf({
  jsonrpc: fc.constant('"2.0"'),
  id: fc.oneof({ weight: 30, arbitrary: fc.constant('1') }, anyValue),
  method: fc.oneof({ weight: 30, arbitrary: fc.constant('"tools/call"') }, anyText),
  params: objectOf({
    name: fc.oneof({ weight: 30, arbitrary: fc.constant('"read"') }, anyText),
    arguments: objectOf(argumentTexts),
    cursor: anyText,
    _meta: objectOf({
      [claim]: fc.constant('"2026-07-28"'),
      'io.modelcontextprotocol/clientCapabilities': fc.constant('{}'),
      progressToken: fc.oneof(anyText, anyNumber),
    }),
  }),
})

/** Where each member stands that decisions depend on, and where the scanner says that it stands. */
const places: Readonly<Record<string, readonly string[]>> = {
  method: ['method'],
  id: ['id'],
  params: ['params'],
  name: ['params', 'name'],
  arguments: ['params', 'arguments'],
  cursor: ['params', 'cursor'],
  meta: ['params', '_meta'],
}

function assertOneReading(message: Message, text: string, root: Node): void {
  const octetAt = (at: number): number => Buffer.byteLength(text.slice(0, at))
  for (const [who, reader] of Object.entries(readers)) {
    for (const [place, path] of Object.entries(places)) {
      const found = readAlong(reader, root, path)
      const span = message.offsets[place as keyof Offsets]
      const where = found && { start: octetAt(found.start), end: octetAt(found.end) }
      assert.deepEqual(where, span, `${who} reads another ${place}`)
    }
    const version = readAlong(reader, root, ['params', '_meta', claim])
    const claimed = version === undefined ? 'none' : text.slice(version.start, version.end)
    // A notification may leave it to its header.
    assert.match(claimed, message.kind === 'request' ? /^"2026-07-28"$/ : /^(none|"2026-07-28")$/)
  }
}

/** Readers of arguments: a tool server is not told of a name by what stands around it. */
const ofArguments = Object.entries(readers).filter(([who]) => !/NUL|space/.test(who))

const declared = [['path'], ['task'], ['place'], ['place', 'city'], ['place', 'zip']]

function assertOneArgument(
  args: Readonly<Record<string, unknown>>,
  o: { readonly text: string; readonly at: Node; readonly paths: readonly string[][] },
): void {
  for (const [who, reader] of ofArguments) {
    for (const path of o.paths) {
      const found = readAlong(reader, o.at, path)
      const seen = path.reduce<unknown>(
        (value, name) => (value as Record<string, unknown> | undefined)?.[name],
        args,
      )
      const theirs: unknown = found && JSON.parse(o.text.slice(found.start, found.end))
      assert.deepEqual(theirs, seen, `${who} reads another ${path.join('.')}`)
    }
  }
}

const names = parseArgumentNames(schema)
assert.ok(names !== undefined)

test('whatever a message is made of, every kind of parser finds the members that were decided on, or it is refused', () => {
  requirement('gateway.one-reading')
  let accepted = 0
  let refused = 0
  fc.assert(
    fc.property(text, (text) => {
      const message = parseMessage(Buffer.from(text), headerList())
      if (isProblem(message) || message.kind === 'response') {
        refused++
        return
      }
      const root = readTree(text)
      assert.ok(root, 'what is accepted is JSON')
      assertOneReading(message, text, root)
      const { arguments: args } = message
      if (args === undefined) return
      const first = readers['the first of several'] ?? assert.fail()
      const at = readAlong(first, root, ['params', 'arguments']) ?? assert.fail()
      const sent = Object.keys(args).map((name) => [name])
      assertOneArgument(args, { text, at, paths: sent })
      if (findVariant(names, args) !== undefined) return
      accepted++
      assertOneArgument(args, { text, at, paths: declared })
    }),
    { numRuns: 4000 },
  )
  assert.ok(accepted > 200 && refused > 1000, `accepted ${accepted}, refused ${refused}`)
})
