import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { findVariant } from '../../src/mcp/argument-names.ts'
import { parseMessage, type Message } from '../../src/mcp/message.ts'
import { isProblem } from '../../src/mcp/problem.ts'
import type { Offsets } from '../../src/mcp/levels.ts'
import { parseArgumentNames } from '../../src/mcp/schema-names.ts'
import { anyCall, inputSchema, versionMember } from './any-call.ts'
import { headerList } from './vectors.ts'
import { readAlong, readers, readTree, type Node } from './readers.ts'
import { requirement } from '../requirements.ts'

/** Where each member stands that decisions depend on, and where the scanner says that it stands. */
const places: Readonly<Record<string, readonly string[]>> = {
  method: ['method'],
  id: ['id'],
  params: ['params'],
  name: ['params', 'name'],
  arguments: ['params', 'arguments'],
  cursor: ['params', 'cursor'],
  inputResponses: ['params', 'inputResponses'],
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
    const version = readAlong(reader, root, ['params', '_meta', versionMember])
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

const names = parseArgumentNames(inputSchema)
assert.ok(names !== undefined)

test('whatever a message is made of, every kind of parser finds the members that were decided on, or it is refused', () => {
  requirement('gateway.one-reading')
  let accepted = 0
  let refused = 0
  fc.assert(
    fc.property(anyCall, (text) => {
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
